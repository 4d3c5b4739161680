//! Texts of `park`.

texts! {
    /// Texts of `park`.
    ParkTexts {
        add: "添加停车场; 未给密钥时自动生成, 只显示一次", "Add a park; without a secret one is made and printed once";
        list: "停车场列表", "All parks";
        show: "停车场详情及剩余车位", "One park with its free spaces";
        set: "修改停车场", "Change a park";
        rotate_secret: "更换密钥; 未给密钥时自动生成, 只显示一次", "A new secret; without one given, it is made and printed once";
        check: "对接检查: 一页看清停车场的对接情况", "Sums up a park's integration on one page";
        recount: "从记录重算剩余车位, 平台可同时运行", "Recounts its free spaces from the records, beside a running gate";
        disable: "停用停车场: 对其推送应答 403", "Answer its pushes with 403";
        enable: "启用停车场: 重新接受其推送", "Take its pushes again";
        uuid_rule: "`park_uuid`: ASCII 字母、数字和 -_.: (最多 64 个)", "`park_uuid`: ASCII letters, digits and -_.: (64 at most)";
        name: "名称", "Name for people";
        merchant: "商户号, 可代替 `park_uuid`", "Merchant number, which may stand in place of `park_uuid`";
        total: "总车位数", "All its spaces";
        strict: "严格: 文档标为必填而示例未给的参数也须传递", "Require what the document's table marks required and its examples leave out";
        set_merchant: "商户号; 空值为去掉", "Merchant number; empty takes it away";
        set_total: "总车位数; 0 为去掉", "All its spaces; 0 takes it away";
        set_strict: "文档标为必填的参数都须传递", "Require what the document's table marks required";
        http_200: "出错时的 HTTP 状态码", "HTTP status of errors";
        always: "所有应答的 HTTP 状态码都是 200", "Every reply has HTTP status 200";
        errors: "出错时用各自的状态码", "Errors have their own status";
        allow: "可从哪些网段推送; `any` 为不限", "Networks it may push from; `any` for all";
        require_sign: "推送是否须签名? `no` 须先设 --allow", "Must its pushes be signed? `no` needs --allow";
        refuse_when_full: "车位已满时拒绝询问入场的车辆, 白名单除外", "Refuse a vehicle that asks to enter while no space is free, unless it is on the allow list";
        new_serial_epoch: "流水号已从头编起: 对此后入场的车辆 (毫秒, 或自动判断) 开始新的流水周期, 并补记因此忽略的推送", "Its serials have restarted: begin a new epoch for vehicles that entered since (ms, or as detected), and record what was ignored because of it";
        location: "所在位置, 供城市平台使用: `address=…`、`area_code=440305`、`latitude=22.5`、`longitude=113.9` (WGS84)", "Where it is, for city platforms: `address=…`, `area_code=440305`, `latitude=22.5`, `longitude=113.9` (WGS84)";
        keep_old: "旧密钥继续有效多久: 12h、7d", "How long the old secret stays good: 12h, 7d";
        what: "停车场", "parks";
        not_added: "停车场未添加", "the park was not added";
        write_location(one: &str, names: &str): "--location {one}: 应为 {names}=…", "--location {one}: write one of {names}=…";
        unsigned_needs_allow: "--require-sign no 需要 --allow CIDR", "--require-sign no needs --allow CIDR";
        no_reuse: "没有发现流水号重用; 如确已重新编号, 请给出起始时间 --new-serial-epoch 1624874732253", "no serials seem to be reused; if they are, say since when: --new-serial-epoch 1624874732253";
        epoch_begun(from: &str, taken: usize, left: usize): "新流水周期自 {from} 起, 补录 {taken} 条, 仍冲突 {left} 条", "a new epoch since {from}: {taken} recorded, {left} still in conflict";
        secret_changed(uuid: &str): "{uuid} 密钥已更换", "{uuid} secret changed";
        recounted(uuid: &str, before: &str, after: &str): "{uuid} 剩余车位 {before} → {after}", "{uuid} free spaces {before} → {after}";
    }
}
