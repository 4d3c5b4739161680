//! Texts of `app`.

texts! {
    /// Texts of `app`.
    AppTexts {
        add: "添加应用; 未给密钥时自动生成, 只显示一次", "Add an app; without a secret one is made and printed once";
        list: "应用列表", "All apps";
        disable: "停用应用: 对其推送应答 403", "Answer its pushes with 403";
        id_rule: "`app_id`: ASCII 字母、数字和 -_.: (最多 64 个)", "`app_id`: ASCII letters, digits and -_.: (64 at most)";
        api_type: "随应用给出的 `api_type`", "`api_type` given with the app";
        park: "可为哪些停车场推送", "Parks it may push for";
        id: "应用的 `app_id`", "The app's `app_id`";
        not_added: "应用未添加", "the app was not added";
        what: "应用", "apps";
        unknown(id: &str): "没有应用 {id}, 见 `parkgate app list`", "no app {id}: see `parkgate app list`";
        disabled(id: &str): "{id} 已停用", "{id} disabled";
    }
}
