//! Texts of the audit log.

texts! {
    /// Texts of the audit log.
    AuditTexts {
        about: "审计日志: 谁在何时查看或更改了什么", "Audit log: who saw or changed what, and when";
        list_about: "审计日志列表, 最新的在前", "The audit log, newest first";
        unmask_help: "显示完整的车牌和身份信息; 会先记入审计日志",
            "Show plates and ID data whole; written to the audit log first";
        what: "审计记录", "audit entries";
        at: "时间", "at";
        who: "用户", "who";
        done: "操作", "what";
        subject: "对象", "about";
        not_written(error: &str): "未能写入审计日志, 因此未显示: {error}",
            "nothing is shown: the audit log could not be written: {error}";
    }
}
