//! Texts of `park list`.

texts! {
    /// Texts of `park list`.
    ParkListTexts {
        silent_help: "只列出这么久没有推送的停车场: 30m、6h、2d", "Only parks without a push for so long: 30m, 6h, 2d";
        refused_help: "只列出今日有推送被拒绝的停车场", "Only parks of which pushes were refused today";
        sort_help: "按名称、上次推送(最久的在前)、今日推送、今日拒绝(最多的在前)或剩余车位(最少的在前)排列",
            "Order by name, last push (the longest silent first), pushes or refusals today (most first), or free spaces (fewest first)";
        zone_help: "“今日”所在的时区 [默认: Asia/Shanghai]", "Time zone of “today” [default: Asia/Shanghai]";
        name: "名称", "name";
        last_push: "上次推送", "last push";
        pushes: "今日推送", "today";
        refused: "今日拒绝", "refused";
        free: "剩余/总车位", "free/total";
        state: "状态", "state";
        enabled: "启用", "on";
        disabled: "停用", "off";
        never: "从未", "never";
        ago(age: &str): "{age}前", "{age} ago";
        none: "没有停车场", "No parks";
        none_match: "没有符合条件的停车场", "No parks match";
        no_zone(name: &str): "--zone {name}: 没有这个时区, 应写成 Asia/Shanghai、UTC 或 +08:00",
            "--zone {name}: no such time zone: write Asia/Shanghai, UTC or +08:00";
        no_duration(text: &str): "--silent {text}: 应写成 30m、6h 或 2d", "--silent {text}: write 30m, 6h or 2d";
    }
}
