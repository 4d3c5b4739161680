//! Texts of `check`.

texts! {
    /// Texts of `check`.
    CheckTexts {
        about: "检查: 数据库、图片、车位与订单是否完好一致", "Check that the database, pictures, free spaces and orders are whole and fit";
        notes: "与运行中的 serve 并行. 有问题时退出码为 1.", "Runs beside a gate. Exits with 1 if something is wrong.";
        mend_help: "修复可修复的: 车位数、订单、隔离区计数、无主图片", "Mend what can be mended: free spaces, orders, use of the quarantine, stray pictures";
        park_help: "只检查此停车场 (park_uuid) 的记录、订单、车位与图片", "Only the records, orders, free spaces and pictures of this park (park_uuid)";
        part_pages: "数据库页", "database pages";
        part_records: "记录", "records";
        part_references: "关联与密封", "references";
        part_pictures: "图片", "pictures";
        part_strays: "无主图片", "stray pictures";
        checked(records: u64, parks: u64, payments: u64, pictures: u64, mib: u64): "已检查: 记录 {records}, 停车场 {parks}, 订单 {payments}, 图片 {pictures} 张 ({mib} MiB)", "Checked {records} records, {parks} parks, {payments} orders, {pictures} pictures ({mib} MiB)";
        clean: "未发现问题", "Nothing is wrong";
        pages_not_read: "PostgreSQL 的数据页由其自身检查 (pg_amcheck, 数据校验和)", "Pages of PostgreSQL are its own to check (pg_amcheck, data checksums)";
        strays_unknown: "图片位置还有另一个库的标记, 无法判断无主图片", "Another store keeps pictures in the same place, so strays are not known";
        flaw(kind: &str, count: u64): "{kind}: {count}", "{kind}: {count}";
        more(count: u64): "  … 另有 {count} 条 (--json 列出更多)", "  … and {count} more (--json lists more)";
        mended: "已修复", "mended";
        mended_count(count: u64): "已修复 {count} 处", "Mended {count}";
        flawed(count: u64): "发现 {count} 处问题", "{count} things are wrong";
        mendable: "车位数、订单、隔离区计数和无主图片可由 --mend 修复", "Free spaces, orders, use of the quarantine and stray pictures can be mended by --mend";
        not_mendable: "损坏的数据页、缺失或损坏的图片、打不开的密封值不能修复: 从备份恢复 (docs/backup.md)", "Damaged pages, missing or damaged pictures and sealed values that do not open\ncannot be mended: restore them from a backup (docs/backup.md)";
        cannot_open(why: &str): "数据库打不开: {why}\n从备份恢复 (docs/backup.md)", "the database cannot be opened: {why}\nrestore it from a backup (docs/backup.md)";
        page: "数据库页损坏", "Damaged database pages";
        unreadable: "读不出的表", "Tables that cannot be read";
        reference: "指向不存在的行", "Rows that name others which are not there";
        record: "记录的参数读不出", "Records whose parameters cannot be read";
        sealed: "密封值打不开 (主密钥不对或已损坏)", "Sealed values that do not open (another master key, or damage)";
        space: "车位数与记录不符", "Free spaces that the records do not give";
        payment: "订单与记录不符", "Orders that their records do not give";
        quarantine_use: "隔离区计数不符", "Use of the quarantine that its pushes do not give";
        missing_picture: "缺失的图片", "Missing pictures";
        damaged_picture: "损坏的图片", "Damaged pictures";
        stray_picture: "无主图片", "Pictures that nothing names";
    }
}
