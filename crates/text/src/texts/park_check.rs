//! Texts of `park check`.

texts! {
    /// Texts of `park check`.
    ParkCheckTexts {
        since: "从何时起收到的推送: 毫秒、时间, 或 2h、7d", "Pushes received since: ms, a time, or 2h, 7d";
        on_time_seconds: "事件发生后多少秒内到达算及时", "On time is what arrives within so many seconds of its event";
        on_time_share: "及时的比例应达到多少: 城市平台要求 0.8", "This share must be on time: cities demand 0.8";
        share: "离场上报剩余车位的比例和推送带图片的比例应达到多少", "This share of leaves must report free spaces, and of pushes must have a picture";
        by_hand_share: "人工放行和更正各不应超过全部停车记录的多少比例", "Of all stays no more than this share may be released by hand, and no more corrected";
        silence: "无推送超过此时长则报告", "Silence longer than this is reported";
        stay_max: "入场超过此时长而未离场的车辆将被报告", "A vehicle that entered longer ago and has not left is reported";
        html: "另存为网页", "Also as a page of its own";
        title(name: &str): "{name} 对接检查", "{name}: integration check";
        share_range: "比例应在 0 与 1 之间", "a share is between 0 and 1";
        pushes: "推送", "pushes";
        releases: "人工放行", "released by hand";
        updates: "记录变更", "corrected";
        refused: "未受理", "refused";
        conflicts: "流水冲突", "conflicts";
        variants: "签名方式", "way of signing";
        advisories: "提醒", "advisories";
        no_leave: "有入无出", "no leave";
        on_time: "及时", "on time";
        clock: "时钟", "clock";
        space: "带剩余车位", "with free spaces";
        pictures: "带图片", "with pictures";
        silence_title: "静默", "silence";
        none: "无", "none";
        counted(leaves: u64, enters: u64): "离场 {leaves} 条, 入场 {enters} 条", "{leaves} leaves, {enters} enters";
        no_pushes: "没有收到推送: 核对平台地址与 park_uuid, 在车场运行 `parkgate agent check`", "nothing arrived: check the platform's address and the park_uuid, and run `parkgate agent check` at the car park";
        times(count: u64, what: &str): "{count} 次 {what}", "{count}× {what}";
        cause(count: u64, what: &str, next: &str): "{count} 条{what}。{next}", "{count}× {what}. {next}";
        signature_next: "核对密钥, 或用 `parkgate explain` 逐字对照。", "Check the secret, or compare letter by letter by `parkgate explain`.";
        finding_next: "改正后用 `parkgate quarantine replay` 重放。", "Mend it, then `parkgate quarantine replay`.";
        request_next: "按协议改正请求的写法。", "Mend the request as the protocol has it.";
        fields_next: "按 `parkgate quarantine show` 的提示改正参数。", "Mend the parameter that `parkgate quarantine show` names.";
        size_next: "减小图片或内容, 或调高 [limits] 的上限。", "Send smaller pictures, or raise the bound in [limits].";
        access_next: "核对 `parkgate park show` 与 `parkgate app list` 的授权。", "Check what `parkgate park show` and `parkgate app list` allow.";
        hash_next: "图片与其哈希须一起传递, 且按文件字节计算 MD5。", "Send each picture with its hash, the MD5 of the file's bytes.";
        conflict_next: "查看 `parkgate conflict list`: 流水号须唯一。", "See `parkgate conflict list`: serials must be unique.";
        conflicts_found(count: u64): "{count} 条: 见 `parkgate conflict list`", "{count}: see `parkgate conflict list`";
        serials_reused: "流水号似被重用: 用 `parkgate park set U --new-serial-epoch` 开始新的流水周期", "serials seem to be used anew: begin a new epoch by `parkgate park set U --new-serial-epoch`";
        open_stays(count: u64, span: &str): "{count} 辆入场超过 {span} 仍未离场: 核对是否漏推离场", "{count} entered over {span} ago and have not left: are leaves missing?";
        no_open_stays(span: &str): "没有入场超过 {span} 而未离场的", "none entered over {span} ago without leaving";
        share_of(share: &str, part: u64, of: u64, wanted: &str): "{share}% ({part}/{of}), 应达到 {wanted}%", "{share}% ({part}/{of}), should reach {wanted}%";
        share_at_most(share: &str, part: u64, of: u64, most: &str): "{share}% ({part}/{of}), 不应超过 {most}%", "{share}% ({part}/{of}), at most {most}%";
        late_next: "; 检查网络, 以及车场软件是否积压", "; check the line, and whether the car park's software queues up";
        space_next: "; 离场推送应带 total_parking_space 和 remain_parking_space", "; leaves should bring total_parking_space and remain_parking_space";
        pictures_next: "; 推送应带图片或图片地址", "; pushes should bring a picture or its address";
        by_hand_next: "; 查看 `parkgate visit list`, 核对道闸与识别", "; see `parkgate visit list`, and check the barrier and the recognition";
        clock_ahead(span: &str): "车场时钟快约 {span}: 请校时", "the car park's clock is about {span} ahead: set it right";
        clock_right: "车场时钟未见偏快", "the car park's clock is not ahead";
        delay(span: &str): "; 到达延迟中位数 {span}", "; median delay {span}";
        longest_silence(span: &str, from: &str, over: &str, count: u64): "最长 {span}, 自 {from} 起; 超过 {over} 的 {count} 次", "longest {span}, since {from}; over {over}: {count}";
        silence_next: "; 检查车场网络, 在车场运行 `parkgate agent status`", "; check the car park's line, and run `parkgate agent status` there";
    }
}
