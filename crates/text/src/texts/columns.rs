//! Titles of columns.

texts! {
    /// Titles of columns.
    ColumnTexts {
        plate: "车牌", "plate";
        entered: "入场", "entered";
        left: "离场", "left";
        serial: "流水", "serial";
        paid: "已付(元)", "paid (yuan)";
        gates: "出入口", "gates";
        received: "收到", "received";
        times: "次数", "times";
        reason: "原因", "reason";
        push: "推送", "push";
        differs: "不同 (已记录 → 被忽略)", "differs (recorded → ignored)";
        id: "编号", "ID";
        result: "结果", "result";
        subscriber: "订阅方", "subscriber";
        event: "事件", "event";
        state: "状态", "state";
        attempts: "次数", "attempts";
        name: "名称", "name";
        spaces: "剩余/总车位", "free/total";
        parks: "停车场", "parks";
        format: "格式", "format";
        pending: "待发", "pending";
        dead: "死信", "dead";
        delivered: "已达", "delivered";
        url: "地址", "address";
        time: "时间", "time";
        ours: "本平台", "ours";
        theirs: "对方", "theirs";
        call: "接口", "call";
        last_status: "最后状态", "last status";
        last_time: "最后时间", "last time";
        month: "月份", "month";
        begun: "开始", "begun";
        newest: "最新记录", "newest record";
        records: "记录数", "records";
        list: "名单", "list";
        note: "备注", "note";
        hint: "提示", "hint";
        table: "表", "table";
        rows: "行数", "rows";
        checksum: "校验和(两库相同)", "checksum (the same in both)";
    }
}
