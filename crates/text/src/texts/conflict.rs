//! Texts of `conflict`.

texts! {
    /// Texts of `conflict`.
    ConflictTexts {
        list: "冲突列表: 被忽略的推送及其差异, 新的在前", "Ignored pushes and how they differ, newest first";
        what: "流水冲突", "conflicts";
    }
}
