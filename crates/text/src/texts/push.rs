//! Texts of `push`.

texts! {
    /// Texts of `push`.
    PushTexts {
        call: "哪种调用: `leave` 离场, `enter` 入场, `release` 人工放行, `update` 更正停车记录, `before` 询问能否入场", "What it is: `release` was opened by hand, `update` corrects a stay, `before` asks whether a vehicle may enter";
        url: "平台地址: 根地址, 或接口的完整地址", "The platform: its root, or the full address of the call";
        image: "图片: `leave_image_file=PATH`, 自动计算哈希; 放行记录用 `capture_image=PATH`", "A picture: `leave_image_file=PATH`, its hash is computed; of a release `capture_image=PATH`";
        json_file: "用协议参数名的 JSON 对象; 同名时 `k=v` 优先", "A JSON object with protocol names; `k=v` go before";
        as_json: "输出平台应答的 JSON", "The platform's reply as JSON";
        notes:
            "退出码: 0 已接受, 3 被拒 (400/401/403, 或平台没有此接口), 4 连不上或 5xx, 5 已接受但有提示。`before` 不论应答如何都以 0 退出并打印应答: status 1 可入场, -1 不可, 0 由车场决定; 然后是 status_desc, 即显示屏的文字。",
            "Exit codes: 0 accepted, 3 refused (400/401/403, or the platform does not know the call), 4 not reachable or 5xx, 5 accepted with a hint. `before` ends with 0 whatever the answer is and prints it: status 1 may enter, -1 may not, 0 the car park decides, then status_desc, the text for the LED.";
        not_delivered(reason: &str): "未送达, 请稍后重试: {reason}", "not delivered, try later: {reason}";
        may_enter: "允许入场", "may enter";
        park_decides: "车场自行判断", "the car park decides";
        may_not_enter: "禁止入场", "may not enter";
        object_needed(path: &str): "{path}: 应为 JSON 对象", "{path}: a JSON object is needed";
    }
}
