//! Texts of `park …-plate(s)`.

texts! {
    /// Texts of `park …-plate(s)`.
    PlateTexts {
        list: "查看白名单和黑名单", "Plates that may enter and that may not";
        add: "加入白名单或黑名单; 已在另一名单的移过来", "Put a plate on a list; one that is on the other moves";
        remove: "移出名单", "Take a plate off its list";
        import: "从 CSV 文件导入两个名单, 全部导入或全不导入", "Import both lists from a CSV file, all lines or none";
        plate_read: "车牌; 间隔点、空格、大小写、全角半角均可", "The plate; dots, blanks, case and full width make no difference";
        allow: "白名单: 可以入场, 满位时也可", "It may enter, also when the park is full";
        deny: "黑名单: 不得入场", "It may not enter";
        plate: "车牌", "The plate";
        file: "CSV 文件", "The CSV file";
        replace: "文件中没有的车牌移出名单", "Take plates that are not in the file off the lists";
        dry_run: "试运行, 只说明会有哪些变化", "Only say what would change";
        import_notes:
            "文件首行为列名 车牌,名单,备注 或 plate,list,note, 次序不限, 其他列忽略。名单写 白名单、黑名单 或 allow、deny。编码为 UTF-8 或表格软件所存的 GBK。",
            "The first line of the file names its columns: plate, list and note, or the same in Chinese, in any order; others are passed over. A list is allow or deny, or the same in Chinese. UTF-8 or GBK, as spreadsheets save it.";
        what: "名单车牌", "plates on a list";
        is_allow: "白名单", "allow list";
        is_deny: "黑名单", "deny list";
        too_many(count: usize, max: usize): "名单会有 {count} 个车牌, 每个停车场最多 {max} 个: 未作修改", "the lists would have {count} plates, and a park has {max} at most; nothing was changed";
        as_before: "未变", "as before";
        was_changed: "已修改", "changed";
        was_added: "已加入", "added";
        put(plate: &str, list: &str, done: &str): "{plate} {list} {done}", "{plate} {list} {done}";
        on_no_list(plate: &str, uuid: &str): "{plate} 不在名单中, 见 `parkgate park list-plates {uuid}`", "{plate} is on no list: see `parkgate park list-plates {uuid}`";
        removed(plate: &str): "{plate} 已移出", "{plate} removed";
        imported(file: &str, added: usize, changed: usize, removed: usize): "{file} 已导入: 新增 {added}, 修改 {changed}, 移出 {removed}", "{file} imported: added {added}, changed {changed}, removed {removed}";
        dry(file: &str, added: usize, changed: usize, removed: usize): "{file} 试运行, 未写入: 新增 {added}, 修改 {changed}, 移出 {removed}", "{file}: a dry run, nothing was written: added {added}, changed {changed}, removed {removed}";
        file_wrong(file: &str, count: usize, wrong: &str): "{file}: {count} 处有误, 未导入任何车牌\n  {wrong}", "{file}: {count} wrong, nothing was imported\n  {wrong}";
        no_plates: "文件中没有车牌", "no plates in it";
        no_plate: "没有车牌", "no plate";
        no_list(list: &str): "名单 `{list}` 应为 白名单 或 黑名单", "list `{list}`: a list is allow or deny";
        on_two_lists(plate: &str, line: u64): "`{plate}` 与第 {line} 行是同一车牌, 名单不同", "`{plate}` is the plate of line {line}, on another list";
        over(max: usize): "超过 {max} 个车牌", "more than {max} plates";
        unreadable(plate: &str): "`{plate}` 不是可识别的车牌", "`{plate}` is no plate that can be known again";
        note_too_long(max: usize): "备注最多 {max} 字", "a note has {max} characters at most";
    }
}
