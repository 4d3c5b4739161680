//! Texts of `export`.

texts! {
    /// Texts of `export`, its columns among them.
    ExportTexts {
        about: "导出停车记录、支付、推送、冲突或投递, 供表格软件和程序使用", "Visits, payments, records, conflicts or deliveries, for spreadsheets and programs";
        notes: "CSV 和 XLSX 供人看: 金额为元, 时间为所选时区, 长数字保持为文本。\nJSONL 和 Parquet 供程序用: 金额为分, 时间为毫秒。\n结束时在标准错误输出打印游标, 下次用 --after 接着导出。",
            "CSV and XLSX are for people: amounts in yuan, times of the zone, long numbers as\ntext. JSONL and Parquet are for programs: amounts in fen, times in ms. At its end\nthe cursor is printed on stderr: --after goes on there.";
        what_help: "导出什么", "What to export";
        format_help: "文件格式 [默认: 按 --out 的扩展名, 否则 csv]", "Format [default: by the extension of --out, else csv]";
        park_help: "只导出这个停车场 (park_uuid)", "Only this park's (park_uuid)";
        since_help: "自何时起: 毫秒、时间 (2026-11-01T00:00:00+08:00) 或 2h、7d", "Since: ms, a time such as 2026-11-01T00:00:00+08:00, or 2h, 7d";
        until_help: "到何时为止 (不含)", "Until then, which is not among it";
        out_help: "输出文件 [默认: 标准输出, 限 csv 和 jsonl]", "The file to write [default: standard output, csv and jsonl only]";
        after_help: "从这个游标之后接着导出", "Go on after this cursor";
        zone_help: "时间所用的时区 [默认: Asia/Shanghai]", "Time zone of times [default: Asia/Shanghai]";
        unmask_help: "不遮盖车牌和证件信息 (记入审计日志)", "Plates and ID data as they are (noted in the audit log)";
        headers_help: "列名的语言 [默认: 当前语言]", "Language of the column names [default: the language in use]";
        no_parquet: "这个程序编译时未启用 Parquet: 用安装包中的程序, 或 cargo build --features parquet", "this program was built without Parquet: use that of a package, or cargo build --features parquet";
        needs_out: "这种格式须写入文件: 用 --out FILE", "this format is written to a file: say --out FILE";
        no_park(uuid: &str): "没有停车场 {uuid}, 见 `parkgate park list`", "no park {uuid}: see `parkgate park list`";
        wrong_cursor(text: &str): "--after {text}: 不是游标", "--after {text}: no cursor";
        wrong_moment(flag: &str, text: &str): "{flag} {text}: 应写成 1624874732253、2026-11-01T00:00:00+08:00 或 2h、7d", "{flag} {text}: write ms, a time such as 2026-11-01T00:00:00+08:00, or 2h, 7d";
        part_there(path: &str): "{path} 是上次中断时写到的部分: 请先改名或删除", "{path} is the part of a run that was interrupted: rename or remove it first";
        part_held(path: &str): "另一个进程正在写 {path}", "another process is writing {path}";
        rows(count: u64, cursor: &str): "{count} 行; 游标 {cursor} (--after {cursor} 接着导出之后的)", "{count} rows; cursor {cursor} (--after {cursor} exports what came since)";
        interrupted(count: u64, cursor: &str): "已中断, 完整的 {count} 行; 用 --after {cursor} 接着导出", "interrupted after {count} whole rows; go on with --after {cursor}";
        part_kept(path: &str): "这些行在 {path}", "these rows are in {path}";
        nothing_yet: "已中断, 尚未写出任何行", "interrupted before any row was written";
        progress: "行", "rows";
        visits: "停车记录", "visits";
        payments: "支付", "payments";
        records: "推送", "records";
        conflicts: "流水冲突", "conflicts";
        deliveries: "投递", "deliveries";
        record: "记录号", "record";
        park_uuid: "停车场编号", "park_uuid";
        park_name: "停车场", "park_name";
        kind: "类型", "kind";
        parking_serial: "停车流水", "parking_serial";
        plate: "车牌", "plate";
        plate_color: "车牌颜色", "plate_color";
        car_type: "车辆类型", "car_type";
        car_desc: "车辆说明", "car_desc";
        state: "状态", "state";
        enter_time: "入场时间", "enter_time";
        leave_time: "离场时间", "leave_time";
        event_time: "发生时间", "event_time";
        received_at: "接收时间", "received_at";
        enter_gate: "入口", "enter_gate";
        leave_gate: "出口", "leave_gate";
        total_value: "应收(元)", "total_value_yuan";
        free_value: "优惠(元)", "free_value_yuan";
        online_value: "线上支付(元)", "online_value_yuan";
        balance_value: "余额支付(元)", "balance_value_yuan";
        cash_value: "现金支付(元)", "cash_value_yuan";
        prepaid_value: "提前支付(元)", "prepaid_value_yuan";
        paid: "已付(元)", "paid_yuan";
        payment_count: "支付笔数", "payments";
        release_count: "人工放行", "releases";
        update_count: "变更次数", "updates";
        enter_seqno: "入场请求号", "enter_seqno";
        leave_seqno: "离场请求号", "leave_seqno";
        seqno: "请求号", "seqno";
        recorded_seqno: "已记录的请求号", "recorded_seqno";
        differing: "不同的参数", "differing";
        params: "原始参数", "params";
        parking_order: "订单号", "parking_order";
        pay_type: "支付方式", "pay_type";
        pay_time: "支付时间", "pay_time";
        value: "支付金额(元)", "value_yuan";
        change_value: "找零(元)", "change_value_yuan";
        delivery: "投递编号", "id";
        subscriber: "订阅方", "subscriber";
        attempts: "尝试次数", "attempts";
        first_due: "首次投递", "since";
        next_at: "下次投递", "next_at";
        answer: "结果", "answer";
    }
}
