//! Texts of retention, `forget` and `person`.

texts! {
    /// Texts of retention.
    RetentionTexts {
        keep_help: "保留期, 按类别: personal=30d,pictures=90d,visits=3y,quarantine=30d,conflicts=90d; 单位 d 天、w 周、y 年, never 永不清除, default 按设置", "How long its data are kept, by kind: personal=30d,pictures=90d,visits=3y,quarantine=30d,conflicts=90d. Days, weeks or years; never: nothing goes; default: as the settings say";
        plate: "车牌, 写法不限 (全角、小写、带点均可)", "The plate, however it is written";
        one_park: "只限此停车场 (park_uuid)", "Only this park's (`park_uuid`)";
        dry_run: "只统计, 不删除", "Count only, change nothing";
        images: "图片所在, 同 serve 的 --images", "Where the pictures are, as for `serve`";
        out: "存放的目录: 新的或空的", "A folder for it: new or empty";
        no_plate(plate: &str): "{plate} 不是可识别的车牌", "{plate} is no plate that can be known again";
        no_park: "未知停车场", "no known park";
        nothing_kept: "没有此车牌的信息", "Nothing is kept about this plate";
        forgotten(park: &str, visits: u64, pictures: u64, conflicts: u64, quarantine: u64, deliveries: u64, differences: u64):
            "{park}: 停车记录 {visits}, 图片 {pictures}, 流水冲突 {conflicts}\n  隔离区 {quarantine}, 投递 {deliveries}, 比对差异 {differences}",
            "{park}: {visits} visits, {pictures} pictures, {conflicts} conflicts\n  {quarantine} in quarantine, {deliveries} deliveries, {differences} differences";
        meanwhile(visits: u64): "期间又有此车牌的推送, 已一并删除: 停车记录 {visits}", "Pushes of it came meanwhile and are forgotten, too: {visits} visits";
        on_list(park: &str): "仍在 {park} 的名单上: parkgate park remove-plate {park} …", "Still on a list of {park}: parkgate park remove-plate {park} …";
        dry_run_done: "仅统计, 未删除", "Counted only: nothing was changed";
        purged: "已删除, 数据库文件中不再留有", "Forgotten; nothing of it is left in the database's files";
        vacuumed: "已删除; PostgreSQL 数据页的空闲处可能还有残留, 重写前可恢复: 可在闲时执行 VACUUM FULL", "Forgotten; free space within PostgreSQL's pages may hold bytes of it until they are written anew: VACUUM FULL does that, in a quiet hour";
        not_purged: "已删除, 但数据库文件尚未清理: 平台运行时会自行完成", "Forgotten, but the database's files still hold traces: a running gate removes them soon";
        forget_notes:
            "车牌、身份信息、图片、流水冲突、隔离区和待发投递都删除; 金额、时间和车位统计保留, 晚到的重复推送照第一次应答。中断后重新执行即可继续。备份和 PostgreSQL 的 WAL 归档要等到期才会消失。",
            "The plate, ID data, pictures, ignored and refused pushes and pending deliveries go; amounts, times and free spaces stay, and a late repeat is answered as the first time. Interrupted, the same command goes on. Backups and PostgreSQL's WAL archives keep it until they age out.";
        not_empty(folder: &str): "{folder} 不是空目录", "{folder} is not empty";
        person_done(file: &str, visits: usize, pictures: usize): "已写入 {file}: 停车记录 {visits}, 图片 {pictures}", "Written to {file}: {visits} visits, {pictures} pictures";
        wrong_form: "应写成天、周或年数 (30d、4w、3y), 或 never", "write a number of days, weeks or years (30d, 4w, 3y), or never";
        wrong_month: "m 是分钟还是月? 请写天数, 如 90d", "m could be minutes or months: write days, as in 90d";
        wrong_range: "应在 1d 到 100y 之间", "must be between 1d and 100y";
        wrong_kind: "类别有 personal、pictures、visits、quarantine、conflicts, 各写一次, 如 personal=30d", "there are personal, pictures, visits, quarantine and conflicts, each once, as in personal=30d";
    }
}
