//! Texts that belong to no command.

texts! {
    /// Texts that belong to no command.
    GeneralTexts {
        error(what: &str): "错误: {what}", "error: {what}";
        no_such_park(uuid: &str): "没有停车场 {uuid}, 见 `parkgate park list`", "no park {uuid}: see `parkgate park list`";
    }
}
