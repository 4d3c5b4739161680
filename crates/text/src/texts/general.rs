//! Texts that belong to no command.

texts! {
    /// Texts that belong to no command.
    GeneralTexts {
        error(what: &str): "错误: {what}", "error: {what}";
        no_such_park(uuid: &str): "没有停车场 {uuid}, 见 `parkgate park list`", "no park {uuid}: see `parkgate park list`";
        enabled: "启用", "enabled";
        disabled: "停用", "disabled";
        nothing(what: &str): "没有{what}", "no {what}";
        nothing_by(what: &str, filter: &str): "没有符合 {filter} 的{what}", "no {what} match {filter}";
        seconds(n: &str): "{n}秒", "{n}s";
        minutes(n: &str): "{n}分钟", "{n}min";
        hours(n: &str): "{n}小时", "{n}h";
        days(n: &str): "{n}天", "{n}d";
        leave: "离场", "leave";
        enter: "入场", "enter";
        release: "人工放行", "release";
        update: "记录变更", "update";
        yes: "是", "yes";
        no: "否", "no";
        shown_once(secret: &str): "密钥: {secret}   (只显示一次)", "secret: {secret}   (shown once)";
        added(what: &str): "{what} 已添加", "{what} added";
        changed(what: &str): "{what} 已修改", "{what} changed";
        name_rule(flag: &str, rule: &str): "{flag} {rule}", "{flag}: {rule}";
        write_pair(param: &str): "`{param}`: 参数应写成 name=value", "`{param}`: write name=value";
        moment(text: &str):
        "--since {text}: 应写成 1624874732253、2026-11-01T00:00:00+08:00 或 2h、7d", "--since {text}: write ms, a time such as 2026-11-01T00:00:00+08:00, or 2h, 7d";
        no_duration(text: &str): "`{text}` 不是时长: 应写成 \"500ms\"、\"30s\" 或 \"5m\"", "`{text}` is no duration: write \"500ms\", \"30s\" or \"5m\"";
        too_long(text: &str): "`{text}` 太长: 最长 \"36500d\"", "`{text}` is too long: write at most \"36500d\"";
        secret_empty: "密钥为空", "the secret is empty";
        secret_needed: "请用 --secret、--secret-file 或 --secret - 提供密钥", "give the secret by --secret, --secret-file or --secret -";
        network(text: &str): "{text}: 应写成 10.9.0.0/16", "{text}: write a network such as 10.9.0.0/16";
        fault(error: &str): "程序出错: {error}", "a fault of ours: {error}";
        log_filter(error: &str): "{error}; 应写成 info 或 debug", "{error}; write info or debug";
        standard_input: "标准输入", "standard input";
    }
}
