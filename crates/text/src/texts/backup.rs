//! Texts of `backup` and `restore`.

texts! {
    /// Texts of `backup` and `restore`.
    BackupTexts {
        about: "备份: 数据库与图片, 不停机", "Back up the database and the pictures while the gate serves";
        notes: "同一位置的第二次备份只复制新图片. 用 PostgreSQL 时先做 pg_dump, 再执行本命令: 见 docs/backup.md.", "A second backup into the same place copies only new pictures. With PostgreSQL run pg_dump first, then this: see docs/backup.md.";
        dest_help: "目的地: 目录, s3://桶/前缀 (用 AWS_* 变量), 或 - (标准输出, tar 格式)", "Where to: a folder, s3://BUCKET/PREFIX with the usual AWS_* variables, or - (standard output, as tar)";
        with_key_help: "一并备份主密钥: 拿到备份的人即可解密", "Take the master key along: whoever has the backup can open it all";
        keep_help: "成功后只保留最近 N 份 (含这一份), 删除更早的", "Once it is made, keep the newest N backups with this one and remove older ones";
        mb_help: "每秒最多 N MB", "No more than N megabytes a second";
        images_help: "图片位置: 目录或 s3://桶/前缀 [默认: 同 serve]", "Where the pictures are: a folder or s3://BUCKET/PREFIX [default: as serve has it]";
        work_help: "发往桶或标准输出时, 数据库副本暂存于此目录 [默认: 数据目录]", "Folder for the copy of the database until it is sent to a bucket or standard output [default: the data folder]";
        skip_missing_help: "缺失或损坏的图片不算失败", "Missing or damaged pictures are no failure";

        restore_about: "恢复备份到空目录", "Restore a backup to an empty folder";
        restore_notes: "先按清单核对每个文件, 全部正确才放入目录. 恢复后用 parkgate check 检查.", "Every file is compared with the manifest before anything is put in place. Check what was restored with parkgate check.";
        src_help: "来源: 目录, s3://桶/前缀, 或 - (标准输入, tar 格式)", "Where from: a folder, s3://BUCKET/PREFIX, or - (standard input, as tar)";
        data_help: "恢复到此数据目录, 须为空或不存在", "Data folder to restore to: empty, or not there yet";
        store_help: "空的 PostgreSQL 数据库: 恢复其中的车场、应用等登记信息", "An empty PostgreSQL database, for the parks, apps and the like of a backup of one";
        restore_images_help: "图片恢复到: 目录或 s3://桶/前缀 [默认: 数据目录/images]", "Where the pictures go: a folder or s3://BUCKET/PREFIX [default: DATA/images]";
        key_file_help: "主密钥文件 [默认: 备份中的, 若有]", "File with the master key [default: the one in the backup, if any]";
        backup_help: "恢复哪一份 [默认: 最新]", "Which of the backups [default: the newest]";
        list_help: "列出有哪些备份", "List the backups that are there";
        dry_run_help: "只核对, 不恢复", "Compare everything with the manifest and restore nothing";

        part_database: "数据库", "database";
        part_pictures: "图片", "pictures";
        part_comparing: "核对", "comparing";
        part_placing: "恢复图片", "restoring pictures";

        made(name: &str, place: &str): "备份完成: {place} 中的 {name}", "Backup made: {name} in {place}";
        made_of(records: i64, pictures: u64, copied: u64, mib: u64): "最新记录 {records}; 图片 {pictures} 张, 本次复制 {copied} 张 ({mib} MiB)", "Newest record {records}; {pictures} pictures, {copied} copied this time ({mib} MiB)";
        pruned(backups: u64, pictures: u64): "已删除较早的备份 {backups} 份, 图片 {pictures} 张", "Removed {backups} older backups and {pictures} pictures";
        missing(count: u64): "{count} 张图片缺失或损坏, 不在备份中 (parkgate check 可查):", "{count} pictures are missing or damaged and not in the backup (see parkgate check):";
        missing_failed(count: u64): "备份已完成, 但缺 {count} 张图片; 若已知, 加 --skip-missing", "the backup is made, but lacks {count} pictures; if that is known, add --skip-missing";
        not_noted(why: &str): "未能把备份时间记入数据库, 指标会显示得更早: {why}", "when this backup was made could not be noted in the database, so figures will show an earlier one: {why}";
        key_reminder(path: &str): "备份不含主密钥, 没有它备份打不开: 请另行保存 {path}", "The master key is not in the backup, which is of no use without it: keep a copy of {path} elsewhere";
        key_in_environment: "备份不含主密钥 (由 PARKGATE_MASTER_KEY 给出), 没有它备份打不开: 请另行保存", "The master key (from PARKGATE_MASTER_KEY) is not in the backup, which is of no use without it: keep a copy elsewhere";
        key_taken: "备份含主密钥: 拿到备份的人可以解密其中一切", "The master key is in the backup: whoever has it can open everything in it";
        postgres_first: "PostgreSQL: 停车记录不在本备份中, 须由 pg_dump 或 PITR 备份. 先数据库, 后图片:\n  pg_dump --format=custom --file=parkgate.dump \"$PARKGATE_STORE\"\n  parkgate backup …\n恢复: pg_restore --dbname=… parkgate.dump, 再 parkgate restore … (见 docs/backup.md)", "PostgreSQL: records are not in this backup; pg_dump or PITR must take them. The\ndatabase first, then the pictures:\n  pg_dump --format=custom --file=parkgate.dump \"$PARKGATE_STORE\"\n  parkgate backup …\nTo restore: pg_restore --dbname=… parkgate.dump, then parkgate restore … (see\ndocs/backup.md)";
        key_needs_file: "--with-key: 主密钥不在文件中 (PARKGATE_MASTER_KEY), 无法一并备份", "--with-key: the master key is in no file (PARKGATE_MASTER_KEY) and cannot be taken along";
        json_and_stream: "--json 不能与 - 同用: 标准输出是备份本身", "--json cannot go with -: standard output is the backup itself";
        keep_and_stream: "--keep 不能与 - 同用", "--keep cannot go with -";
        to_terminal: "标准输出是终端: 请用管道或重定向到文件", "standard output is a terminal: use a pipe or a file";
        data_needed: "用 --data 指定恢复到哪个目录", "say where to restore to: --data DIR";
        stream_whole: "标准输入只含一份备份: --list、--dry-run、--backup 不能与 - 同用", "standard input holds one backup: --list, --dry-run and --backup cannot go with -";
        no_such_kind(url: &str): "{url}: 应为目录, s3://桶/前缀 或 -", "{url}: write a folder, s3://BUCKET/PREFIX or -";

        restored(name: &str, data: &str): "已恢复 {name} 到 {data}", "Restored {name} to {data}";
        restored_of(records: i64, pictures: u64): "最新记录 {records}; 图片 {pictures} 张", "Newest record {records}; {pictures} pictures";
        key_missing(path: &str): "主密钥不在备份中: 把它放到 {path} (chmod 600), 否则无法启动", "The master key is not in the backup: put it at {path} (chmod 600), or nothing starts";
        registry_restored(rows: u64): "登记信息 {rows} 行已写入数据库; 停车记录由 pg_restore 恢复", "{rows} rows of the registry are in the database; records come by pg_restore";
        registry_left: "登记信息与停车记录由 pg_restore 恢复 (见 docs/backup.md)", "Registry and records come by pg_restore (see docs/backup.md)";
        check_next(data: &str): "下一步: parkgate check --data {data}", "Next: parkgate check --data {data}";
        compared(name: &str): "{name}: 与清单一致", "{name}: as its manifest says";
        head_name: "备份", "backup";
        head_made_at: "时间", "made at";
        head_store: "类型", "store";
        head_record: "最新记录", "newest record";
        head_pictures: "图片", "pictures";
        head_key: "主密钥", "master key";
        yes: "有", "yes";
        no: "无", "no";
        none_listed(place: &str): "{place}: 没有备份", "{place}: no backups";

        busy(place: &str): "另一个备份正在进行: {place}", "another backup is being made: {place}";
        inside(place: &str): "{place} 在数据目录或图片目录之内: 请备份到别处, 最好是另一块磁盘", "{place} lies within the data or the pictures: back up to another place, best on another disk";
        foreign(place: &str): "{place} 里有别的文件: 请用空目录", "{place} holds other files: use an empty folder";
        full(path: &str, why: &str): "空间不足: {path} ({why}); 之前的备份不受影响", "no room: {path} ({why}); backups made before are whole";
        no_backup(place: &str): "{place}: 没有完整的备份", "{place}: no whole backup there";
        newer(path: &str, format: u32, known: u32): "{path}: 备份格式 {format}, 本程序只认识到 {known}: 请用更新的 parkgate", "{path}: backup format {format}, this program knows {known}: use a newer parkgate";
        damaged(all: u64, found: &str): "备份缺失或损坏 {all} 个文件, 未恢复任何内容:\n  {found}", "{all} files of the backup are missing or damaged; nothing was restored:\n  {found}";
        manifest(path: &str, why: &str): "{path} 已损坏: {why}", "{path} is damaged: {why}";
        not_empty(data: &str): "{data} 不是空目录: 请恢复到空目录", "{data} is not empty: restore to an empty folder";
        unfinished(data: &str): "{data}: 上次恢复中断, 内容不完整: 删除该目录后重新恢复", "{data}: a restore to there was interrupted: remove the folder and restore again";
        wrong_key(path: &str): "{path} 不是这份备份的主密钥", "{path} is not the master key of this backup";
        no_key(path: &str): "缺主密钥 ({path}): 用 --key-file 指定", "the master key is missing ({path}): name it by --key-file";
    }
}
