//! Texts of files that spreadsheets write and read: lists to import, and what is exported.

texts! {
    /// Texts of lists of parks and apps that are imported and exported, and of the reading of such files.
    SheetTexts {
        park_import_about: "从 CSV 或 XLSX 文件导入停车场, 全部成功或都不写入", "Import parks from a CSV or XLSX file, all lines or none";
        park_import_notes: "表头中英文皆可, 顺序不限:\n  停车场编号 名称 总车位 商户号 密钥 来源地址 地址 区划代码 纬度 经度\n  严格 要求签名 满位拒绝 始终200 启用 保留期\n空单元格保持原样, `-` 表示清除。",
            "The header, in any order:\n  uuid name total merchant secret allow address area_code latitude longitude\n  strict require_sign refuse_when_full http_200 enabled keep\nAn empty cell leaves what stands, `-` takes it away.";
        app_import_about: "从 CSV 或 XLSX 文件导入应用, 全部成功或都不写入", "Import apps from a CSV or XLSX file, all lines or none";
        app_import_notes: "表头中英文皆可, 顺序不限: 应用编号 密钥 接口类型 停车场 启用。\n停车场编号以空格或分号隔开。",
            "The header, in any order: app_id secret api_type parks enabled.\nParks are parted by blanks or semicolons.";
        park_export_about: "导出停车场列表 (不含密钥), 可原样导入", "The list of parks without secrets, as `park import` reads it";
        app_export_about: "导出应用列表 (不含密钥), 可原样导入", "The list of apps without secrets, as `app import` reads it";
        file_help: "CSV 或 XLSX 文件, 以内容识别; UTF-8、UTF-16 或 GBK", "The CSV or XLSX file, known by its content; UTF-8, UTF-16 or GBK";
        secrets_out_help: "把新生成的密钥写入这个新文件 (仅属主可读)", "Write secrets that are made to this new file, which only its owner can read";
        change_secrets_help: "文件中的密钥与现有不同时更换", "Where the file has another secret than the one that stands, change it";
        keep_old_help: "被更换的密钥继续有效的时间: 12h、7d", "How long a secret that is changed stays good: 12h, 7d";
        dry_run_help: "只报告将要改动什么", "Only say what would change";
        skip_bad_help: "跳过有误的行, 导入其余", "Leave lines out that are wrong and take the others";
        out_help: "输出文件 [默认: 标准输出]", "The file to write [default: standard output]";
        list_format_help: "文件格式", "Format of the file";
        empty_file: "文件是空的", "the file is empty";
        too_large: "文件超过 64 MiB", "the file has more than 64 MiB";
        no_text: "不是 UTF-8 或 GBK 文本", "neither UTF-8 nor GBK";
        old_workbook: "是旧版 Excel (.xls) 文件: 请另存为 .xlsx 或 CSV", "an .xls file: save it as .xlsx or CSV";
        no_workbook(why: &str): "无法读取的 XLSX 文件: {why}", "an XLSX file that cannot be read: {why}";
        at_line(line: u64, what: &str): "第 {line} 行: {what}", "line {line}: {what}";
        no_head(expected: &str): "没有表头, 应有 `{expected}`", "no header: write `{expected}`";
        sheets_with_head(names: &str): "多个工作表都有这样的表头 ({names}): 请只保留一个", "more than one sheet has such a header ({names}): keep one";
        twice_in_head(name: &str): "表头中 `{name}` 出现两次", "`{name}` is twice in the header";
        no_rows: "表头下没有内容", "nothing stands below the header";
        passed_over(names: &str): "未使用的列: {names}", "columns passed over: {names}";
        lost_digits(column: &str, text: &str): "`{column}` 被表格软件改成了 {text}, 已丢失数字: 请把该列设为文本后重新输入",
            "`{column}` was turned into {text} and has lost digits: make the column text and type it again";
        turned_into_date(column: &str): "`{column}` 被表格软件改成了日期: 请把该列设为文本后重新输入", "`{column}` was turned into a date: make the column text and type it again";
        cell_fault(column: &str, text: &str): "`{column}` 是公式错误 {text}", "`{column}` holds the error {text}";
        no_value(column: &str): "`{column}` 的公式没有结果: 请在表格软件中打开并保存", "the formula in `{column}` has no value: open the file in a spreadsheet and save it";
        missing(column: &str): "缺少 `{column}`", "`{column}` is missing";
        wrong_number(column: &str, text: &str): "`{column}` 的 `{text}` 不是 0 至 4294967295 的整数", "`{column}` is `{text}`: write a whole number from 0 to 4294967295";
        wrong_yes_no(column: &str, text: &str): "`{column}` 的 `{text}` 应为 是 或 否", "`{column}` is `{text}`: write yes or no";
        wrong_coordinate(column: &str, text: &str): "`{column}` 的 `{text}` 不是经纬度", "`{column}` is `{text}`: no degrees";
        same_as_line(name: &str, line: u64): "`{name}` 与第 {line} 行相同", "`{name}` is that of line {line}, too";
        merchant_taken(merchant: &str, uuid: &str): "商户号 `{merchant}` 已属于停车场 {uuid}", "merchant `{merchant}` is that of park {uuid}";
        other_secret: "密钥与现有不同: 如要更换请加 --change-secrets", "another secret than the one that stands: to change it, add --change-secrets";
        unsigned_from_anywhere: "不要求签名的停车场须有来源地址", "a park that requires no signature needs addresses to push from";
        no_park(uuid: &str): "没有停车场 {uuid}", "there is no park {uuid}";
        no_parks: "没有停车场编号", "no parks are named";
        bad_lines(file: &str, count: usize, lines: &str): "{file}: {count} 行有误, 未导入 (--skip-bad 可跳过)\n  {lines}", "{file}: {count} lines are wrong, nothing was imported (--skip-bad leaves them out)\n  {lines}";
        skipped_lines(count: usize, lines: &str): "跳过 {count} 行:\n  {lines}", "{count} lines left out:\n  {lines}";
        needs_secrets_out(count: usize): "将新生成 {count} 个密钥: 用 --secrets-out FILE 指定写到哪里", "{count} secrets are to be made: say where to write them, --secrets-out FILE";
        secrets_out_there(path: &str): "{path} 已存在: 密钥只写入新文件", "{path} exists: secrets are only written to a new file";
        secrets_written(count: usize, path: &str): "{count} 个新密钥已写入 {path} (只此一次)", "{count} new secrets are in {path} (shown nowhere else)";
        done(file: &str, added: usize, changed: usize, same: usize): "{file} 已导入: 新增 {added}, 修改 {changed}, 未变 {same}", "{file} imported: {added} added, {changed} changed, {same} as before";
        dry(file: &str, added: usize, changed: usize, same: usize): "{file} 试运行, 未写入: 将新增 {added}, 修改 {changed}, 未变 {same}", "{file}, a dry run: {added} would be added, {changed} changed, {same} stay as they are";
        change(name: &str, what: &str): "{name}: {what}", "{name}: {what}";
        more(count: usize): "… 另有 {count} 项, 见 --json", "… and {count} more: see --json";
        changes_again: "登记信息一直在变动, 请稍后重试", "the registry keeps changing: try again later";
    }
}
