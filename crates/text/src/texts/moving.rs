//! Texts of `move`.

texts! {
    /// Texts of `move`.
    MoveTexts {
        images: "图片现在何处: 目录, 或 s3://BUCKET/PREFIX [默认: 数据目录下的 images]", "Where the pictures are now: a folder, or s3://BUCKET/PREFIX [default: DATA/images]";
        to_data: "迁往的数据目录; 与数据库并用时存放主密钥 [此时默认: 与 --data 相同]", "Data folder to move to; beside a database, for its master key [default there: the same as --data]";
        to_store: "迁往的存储: sqlite:DIR 或 postgres://USER:PASSWORD@HOST/DATABASE", "Store to move to: sqlite:DIR or postgres://USER:PASSWORD@HOST/DATABASE";
        to_images: "图片迁往何处: 目录, 或 s3://BUCKET/PREFIX [默认: 新数据目录下的 images]", "Where the pictures move to: a folder, or s3://BUCKET/PREFIX [default: the new data folder's images]";
        skip_missing: "旧处缺图片时继续", "Go on where a picture is missing from the old place";
        abandon: "放弃未完成的迁移: 旧存储重新接受推送", "Give an unfinished move up: the old store takes pushes again";
        notes:
            "旧存储从一开始就只读: 对它的推送应答 503, 发送方会保留。中断后再运行同一命令即可继续; --abandon 放弃未完成的迁移。",
            "The old store is only read from the beginning on: pushes to it get 503, which their senders keep. Run the same command again after an interruption; --abandon gives a move up that is not finished.";
        no_store(folder: &str): "{folder} 中没有数据: 用 --data DIR 或 --store URL 指定", "there is no store in {folder}: say --data DIR or --store URL";
        given_up(to: &str): "已放弃迁移到 {to}, 原库恢复接收", "the move to {to} is given up; this store takes pushes again";
        none_under_way: "没有进行中的迁移", "no move is under way";
        cannot_give_up(to: &str):
        "已迁至 {to}, 不能放弃: 否则两库并存; 如需搬回, 从新库迁到一个新目录: parkgate move --store … --to-data NEW", "the move to {to} is finished and pushes are taken there, so it cannot be given up; to come back, move from there to a new folder: parkgate move --store … --to-data NEW";
        finished_before(to: &str): "此前已迁至 {to}", "the move to {to} was finished before; nothing is left to do";
        where_to: "用 --to-store 或 --to-data 指定去处", "say where to: --to-store or --to-data";
        one_of_two: "--to-data 与 --to-store sqlite: 二选一", "--to-data and --to-store sqlite:…: give one of the two";
        pictures_of(folder: &str): "{folder} 的图片", "pictures of {folder}";
        compared(what: &str): "核对 {what}", "compare {what}";
        missing_pictures(count: u64): "缺失图片: {count}", "pictures missing from the old place: {count}";
        done(to: &str): "已迁至 {to}; 原库只读", "moved to {to}; the old store is only read from now on";
    }
}
