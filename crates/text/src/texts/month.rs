//! Texts of `month`.

texts! {
    /// Texts of `month`.
    MonthTexts {
        begin: "开始按月分区, 平台可同时运行; 已有的记录留在一起", "From now on a partition a month, while the gates run; what is there stays together";
        list: "月份列表, 旧的在前", "All months, oldest first";
        redact: "脱敏: 旧月份的车牌、身份信息和图片去掉; 流水、时间和金额保留", "Plates, ID data and pictures of old months go; serials, times and amounts stay";
        drop: "整月删除旧月份", "Drop old months whole";
        before: "此月 (北京时间) 以前的月份, 如 2026-01", "Those whose records all came before this month (China's time), such as 2026-01";
        redact_notes:
            "脱敏月份的推送仍然认得, 照第一次的应答。有待发投递的月份要等投递送达或放弃, 否则会缺内容。死信随月份一起处理。",
            "A push of such a month is still known and answered as the first time. A month with pending deliveries waits until they arrived or were dropped: they would be sent without what goes. Dead letters go with the month.";
        drop_notes:
            "删除的月份的推送会当作新推送。有待发投递的月份要等待; 死信随月份一起删除。",
            "A push of such a month would be taken as new. A month with pending deliveries waits; dead letters go with it.";
        what: "月份", "months";
        begun: "已开始按月分区", "begun";
        begun_before: "早已按月分区", "was begun before";
        postgres_only: "按月分区只用于 PostgreSQL", "only a PostgreSQL store has monthly partitions";
        write_month(text: &str): "`{text}`: 应写成 2026-01", "`{text}`: write a month such as 2026-01";
        dead_letters(count: u64): "随之删除的死信: {count} 条", "dead letters that went with them: {count}";
        held(months: &str):
        "月份 {months} 还有投递未送达, 未处理: 送达后再执行, 或 `parkgate delivery drop` 放弃", "months with pending deliveries stay as they are: {months}. Run this again once they arrived, or drop them by `parkgate delivery drop`";
        open: "当前", "open";
        whole: "完整", "whole";
        redacted: "已脱敏", "redacted";
    }
}
