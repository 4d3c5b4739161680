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
    }
}
