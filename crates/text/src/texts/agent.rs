//! Texts of `agent`.

texts! {
    /// Texts of `agent`.
    AgentTexts {
        config: "代理的配置文件", "The agent's settings";
        run: "运行: 接收记录并发送", "Take records and send them";
        add: "把一条记录放入发件箱, 代理是否运行均可", "Put a record into the outbox, whether or not the agent runs";
        status: "发件箱概况", "The outbox at a glance";
        check: "检查地址、网络、时钟和密钥, 用于发送第一条记录之前", "The address, the line, the clock and the secret, before the first record";
        dead: "死信: 平台拒绝的记录", "Records that the platform refused";
        image: "图片: `leave_image_file=PATH`, 放行记录用 `capture_image=PATH`", "A picture: `leave_image_file=PATH`, of a release `capture_image=PATH`";
        dead_list: "死信列表, 旧的在前", "Dead letters, oldest first";
        dead_show: "一条死信, 含全部待发内容", "One of them with all that was to be sent";
        dead_retry: "重发; 不给编号则全部重发", "Send them once more; all of them if no numbers are given";
        dead_drop: "删除: 永久放弃", "Give them up for good";
        these: "这些编号的", "These";
        run_notes:
            "配置文件至少要有:\n  data = \"agent-data\"\n  listen = \"127.0.0.1:8070\"\n  [platform]\n  url = \"http://127.0.0.1:8080\"\n  park_uuid = \"49f0cc52-e8c7-41e3-b54d-af666b8cc11a\"\n  secret = \"123\"\n\n其余都有默认值 (docs/settings.md), 如 spool、spool_picture_wait、on_hint、on_too_large、token、hosts。",
            "The file, at least:\n  data = \"agent-data\"\n  listen = \"127.0.0.1:8070\"\n  [platform]\n  url = \"http://127.0.0.1:8080\"\n  park_uuid = \"49f0cc52-e8c7-41e3-b54d-af666b8cc11a\"\n  secret = \"123\"\n\nEverything else has a default (docs/settings.md), among them: spool, spool_picture_wait, on_hint, on_too_large, token, hosts.";
        restart(error: &str): "车场代理须重新启动: {error}", "the agent must be restarted: {error}";
        at(address: &str): "车场代理 {address}", "agent at {address}";
        not_well(what: &str): "{what}: 未通过", "{what}: not well";
        queued(id: i64): "已入发件箱 {id}", "queued {id}";
        known(id: i64): "已在发件箱 {id}", "already queued {id}";
        sent: "已发送过", "already sent";
        is_held: "暂扣", "held";
        is_dead: "被拒", "refused";
        what: "被拒记录", "refused records";
        unknown(id: i64): "没有 {id}, 见 `parkgate agent dead list`", "no record {id}: see `parkgate agent dead list`";
        retried(count: usize): "将重发 {count} 条", "{count} to be sent again";
        dropped(count: usize): "已删除 {count} 条", "{count} dropped";
        no_file(path: &str):
        "没有代理配置文件 {path}: 用 --config FILE 指定, 或照 `parkgate agent run --help` 的示例新建", "no settings file {path}: name the agent's file by --config FILE, or write one as `parkgate agent run --help` shows";
    }
}
