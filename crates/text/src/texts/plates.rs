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
    }
}
