//! Texts of `simulate`.

texts! {
    /// Texts of `simulate`.
    SimulateTexts {
        url: "平台的根地址", "Root of the platform";
        park: "为哪个停车场推送 (`park_uuid`)", "`park_uuid` to push for";
        rate: "每秒多少条记录; 0 为尽快", "Records a second; 0 as fast as they go";
        run_for: "运行多久: 30s、10m [默认: 1m, 或至 --day 结束]", "How long it runs: 30s, 10m [default: 1m, or until --day is over]";
        day: "模拟多长时间的车流, 不论实际耗时: 24h、7d", "Simulated time to play, however long it takes: 24h, 7d";
        seed: "种子, 相同则车流相同", "Repeats the same traffic";
        start: "模拟时间的起点, 毫秒时间戳 [默认: 使其结束于现在]", "When the simulated time begins, ms since 1970 [default: so that it ends now]";
        spaces: "车场的车位数, 开始时全空", "Spaces of the car park, empty at the start";
        faults: "重复、迟到、乱序或内容不同的记录所占比例; 0 为网络良好的正常车场", "Share of records sent twice, late, out of order or with other content; 0 is an honest car park on a good line";
        pictures: "带图片的记录所占比例", "Share of records with a picture";
        by_hand: "人工放行的车辆和更正的车牌所占比例; 平台只认入场和离场时写 0", "Share of vehicles released by hand, and of plates corrected; 0 for a platform that knows enters and leaves only";
        no_space: "不上报剩余车位, 由平台计数", "Do not report free spaces: the platform counts";
        concurrency: "同时在途的推送数", "Pushes on their way at a time";
        through_agent: "经由代理: 在 ADDR 运行的, 或给了 --url 时自带的", "By an agent: the one running at ADDR, or one of its own if --url is given";
        share(name: &str, given: f64): "{name} {given}: 应在 0 与 1 之间", "{name} {given}: write 0 to 1";
        at_least_one: "--spaces、--concurrency: 至少为 1", "--spaces, --concurrency: at least 1";
        which_platform: "--url、--park: 请指定平台与车场", "--url, --park: say which platform and park";
        records: "条记录", "records";
        left(eta: &str): "剩余 {eta}", "eta {eta}";
    }
}
