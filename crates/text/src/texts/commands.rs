//! Texts of the help of the program and its commands.

texts! {
    /// Texts of the help of the program and its commands.
    CommandTexts {
        about: "开放的停车场推送平台", "An open, self-hosted parking gate platform";
        lang: "输出的语言 [环境变量: PARKGATE_LANG] [默认: 系统语言, 否则 zh]", "Language of what people read [env: PARKGATE_LANG] [default: the locale's, else zh]";
        serve: "启动平台", "Run the gate";
        park: "停车场", "Parks";
        app: "应用: 为多个停车场推送的软件", "Apps that push for several parks";
        visit: "停车记录", "Visits";
        quarantine: "隔离区: 被拒的推送, 原因消除后可重放", "Refused pushes, until their cause is mended";
        conflict: "流水冲突: 因流水已被占用而忽略的推送", "Pushes ignored because another one has their serial";
        subscriber: "订阅方: 接收每条记录的平台", "Platforms that receive each record";
        delivery: "投递: 待发的和已放弃的", "What is still to be delivered, and what was given up";
        moving: "迁移: 把全部数据连同图片移到另一个存储", "Move everything to another store, pictures too";
        forget: "删除一个车牌的全部个人信息", "Forget everything that is kept about a plate";
        person: "导出一个车牌的全部信息 (查阅复制权)", "Copy everything that is kept about a plate";
        month: "按月分区 (PostgreSQL): 旧月份可整表删除", "Records in a partition a month (PostgreSQL): old ones go by dropping a table";
        explain: "签名诊断: 签名为何不符", "The sign doctor: why a signature does not match";
        sign: "计算签名: 待签字符串及其签名", "The canonical string and its sign";
        push: "向任何本协议的平台推送一条记录, 或在入场前询问", "Push one record to any platform of the protocol, or ask it before a vehicle enters";
        agent: "车场代理: 车场侧的可靠发件箱, 从不卡住", "The car park's half: a durable outbox that never gets stuck";
        simulate: "模拟车场: 按种子生成正常和有误的进出", "The traffic of a car park, honest and faulty, by seed";
    }
}
