//! Texts of the help of flags that several commands have.

texts! {
    /// Texts of the help of flags that several commands have.
    FlagTexts {
        json: "输出 JSON", "Print JSON";
        park_uuid: "停车场的 `park_uuid`", "The park's `park_uuid`";
        only_park: "只看此停车场 (`park_uuid`)", "Only this park's (`park_uuid`)";
        limit: "最多多少条", "At most so many";
        only_these: "只处理这些", "Only these";
        params: "参数, 写成 `name=value`", "Parameters, `name=value`";
        number: "列表中的编号", "Its number in the list";
        data: "数据目录 [环境变量: PARKGATE_DATA] [默认: parkgate-data]", "Data folder [env: PARKGATE_DATA] [default: parkgate-data]";
        store: "存储地址: sqlite:DIR 代替 --data, 或 postgres://USER:PASSWORD@HOST/DATABASE 与其并用 [环境变量: PARKGATE_STORE]", "Store URL: sqlite:DIR in place of --data, or postgres://USER:PASSWORD@HOST/DATABASE beside it [env: PARKGATE_STORE]";
        secret: "密钥; `-` 从标准输入读取", "The secret; `-` reads it from standard input";
        secret_file: "存放密钥的文件", "A file that holds the secret";
        config: "配置文件 [默认: ./parkgate.toml, 否则 /etc/parkgate/parkgate.toml]", "Settings file [default: ./parkgate.toml, else /etc/parkgate/parkgate.toml]";
        since: "从何时起: 毫秒, 或 2026-11-01T00:00:00+08:00 这样的时间, 或 2h、7d", "Only those since: ms, or a time such as 2026-11-01T00:00:00+08:00, or 2h, 7d";
        for_people: "备注, 供人查看", "A note, for people";
    }
}
