//! Texts of `quarantine`.

texts! {
    /// Texts of `quarantine`.
    QuarantineTexts {
        list: "隔离区列表, 旧的在前", "What is in it, oldest first";
        show: "一条推送, 含全部推送内容", "One push with all that was sent";
        replay: "重放: 重新准入, 旧的在前; 被接受的离开隔离区", "Admit them again, oldest first; what is accepted leaves the quarantine";
        drop: "删除: 永久放弃", "Give them up for good";
        all: "全部, 或某停车场的全部", "All, or all of a park";
        what: "隔离的推送", "quarantined pushes";
        unknown(id: i64): "隔离区没有 {id}, 见 `parkgate quarantine list`", "nothing in quarantine with the number {id}: see `parkgate quarantine list`";
        which: "请给出编号, 或 --all", "name entries, or say --all";
        dropped(count: usize): "已删除 {count} 条", "{count} dropped";
        moved(taken: u64, stayed: u64): "离开隔离区 {taken} 条, 仍在 {stayed} 条", "{taken} left the quarantine, {stayed} stayed";
        recorded: "已记录", "recorded";
        repeated: "早已记录", "repeated";
        conflict: "流水冲突", "conflict";
        stays: "仍在", "stays";
    }
}
