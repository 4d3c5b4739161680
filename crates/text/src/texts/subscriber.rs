//! Texts of `subscriber`.

texts! {
    /// Texts of `subscriber`.
    SubscriberTexts {
        add: "添加订阅方: 接收此后记录的数据", "Add one: it receives what is recorded from now on";
        list: "订阅方列表及各自待发的数量", "All subscribers, and what waits for them";
        show: "一个订阅方的详情", "One subscriber";
        differences: "应答差异: 对比的平台与本平台应答不同之处, 新的在前", "Where a compared platform answered differently than this one would have, newest first";
        calls: "转交给对比平台的接口: 次数、最近一次应答的状态码 (0 为无应答) 和时间", "Calls passed on to a compared platform, by path: how many, the last answer's status (0: none) and time";
        set: "修改订阅方的地址、密钥或速率; 待发的保留", "Another address, secret or rate; what waits for it stays";
        pause: "暂停投递; 新记录排队等待", "Send it nothing; new records wait for it";
        resume: "恢复投递: 发送排队的和新来的", "Send it what waited, and what comes";
        remove: "移除订阅方及其全部待发", "Remove it and all that waits for it";
        relay: "原样转发推送, 签名不变, 可发往任何本协议的平台", "The push as it came, sign unchanged, to any platform of this protocol";
        openapi: "开放平台的 sync-enter 和 sync-leave", "The open platform's sync-enter and sync-leave";
        webhook: "Standard Webhooks: 带 HMAC 签名的 JSON", "Standard Webhooks: JSON under an HMAC";
        name: "订阅方的名称", "Its name";
        name_rule: "命令中用的名称, 不可重复: 字母、数字和 -_.: (最多 64 个)", "Its name in commands, unique: letters, digits and -_.: (64 at most)";
        url: "接收地址; `{event}` 代入 enter 或 leave。原样转发可写平台的根地址", "Where it listens; `{event}` becomes enter or leave. A relay may name the platform's root";
        format: "接收的格式", "The format it receives";
        app_id: "对方分配的 `app_id` (openapi)", "`app_id` it knows us by (openapi)";
        park: "这些停车场的 (`park_uuid`)", "Of these parks (`park_uuid`)";
        all: "全部停车场的, 含以后添加的", "Of all parks, also those to come";
        events: "哪些事件; 不写则为该格式的全部 (openapi: enter,leave)", "Of these events; unless named, of all that its format has (openapi: enter,leave)";
        id_data: "可得到身份信息 (idcard_*); 原样转发总含在内, 因签名包含它", "It may know ID data (idcard_*); a relay always does, the signature covers it";
        mask_plates: "车牌中间打码", "Mask the middles of plates";
        per_second: "每秒最多请求数, 各节点合计", "Requests a second at most, of all nodes together";
        compare: "车场得到此平台的应答, 与本平台不同之处记下 (relay)", "The car park gets this platform's answer; where ours differs is recorded (relay)";
        gate_config: "平台的配置文件, 决定订阅方可否在内网 [默认: ./parkgate.toml, 若有]", "Settings file of the gate: may a subscriber be at a private address? [default: ./parkgate.toml, if there]";
        set_url: "新的接收地址", "Where it listens from now on";
        set_per_second: "每秒最多请求数, 各节点合计; 0 为不限", "Requests a second at most, of all nodes together; 0 for no bound";
        set_events: "此后接收哪些事件", "Of these events from now on";
        what: "订阅方", "subscribers";
        unknown(name: &str): "没有订阅方 {name}, 见 `parkgate subscriber list`", "no subscriber {name}: see `parkgate subscriber list`";
        removed(name: &str): "{name} 已移除", "{name} removed";
        not_added: "订阅方未添加", "the subscriber was not added";
        no_masking: "relay 原样转发, 签名覆盖全部参数: 不能 --mask-plates", "a relay's signature covers all that is sent: it cannot have --mask-plates";
        compare_relay_only: "--compare 只用于 --format relay", "--compare is for --format relay only";
        openapi_events: "--events: openapi 只有 enter 和 leave", "--events: openapi knows only enter and leave";
        nothing_to_change: "没有要修改的: --url、--secret、--app-id、--per-second、--events", "nothing to change: --url, --secret, --app-id, --per-second, --events";
        unresolved(host: &str, why: &str): "提醒: 现在无法解析 {host} ({why}); 解析得到后再发送待发的", "warning: {host} cannot be resolved now ({why}); what waits is sent once it can";
        base64: "whsec_ 之后应为 base64", "base64 must follow whsec_";
        paused(name: &str): "{name} 已暂停", "{name} paused";
        resumed(name: &str): "{name} 已继续", "{name} resumed";
        is_paused: "暂停", "paused";
        is_active: "正常", "active";
        what_differences: "答复差异", "differences";
        what_calls: "转交的接口", "calls passed on";
        no_answer: "无应答", "none";
    }
}
