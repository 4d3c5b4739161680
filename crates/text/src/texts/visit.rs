//! Texts of `visit`.

texts! {
    /// Texts of `visit`.
    VisitTexts {
        list: "停车记录列表, 新的在前", "Visits, newest first";
        show: "一条停车记录, 含全部推送内容", "One visit with all that was sent";
        plate: "只看此车牌", "Only this plate's";
        serial: "停车流水 `parking_serial`", "Its `parking_serial`";
        what: "停车记录", "visits";
        unknown(uuid: &str, serial: &str): "没有停车记录 {uuid} {serial}, 见 `parkgate visit list`", "no visit {uuid} {serial}: see `parkgate visit list`";
        inside: "在场", "inside";
        released_only: "仅放行", "release only";
    }
}
