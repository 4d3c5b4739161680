//! Texts of `quarantine`.

texts! {
    /// Texts of `quarantine`.
    QuarantineTexts {
        list: "隔离区列表, 旧的在前", "What is in it, oldest first";
        show: "一条推送, 含全部推送内容", "One push with all that was sent";
        replay: "重放: 重新准入, 旧的在前; 被接受的离开隔离区", "Admit them again, oldest first; what is accepted leaves the quarantine";
        drop: "删除: 永久放弃", "Give them up for good";
        all: "全部, 或某停车场的全部", "All, or all of a park";
    }
}
