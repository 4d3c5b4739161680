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
    }
}
