//! What became of a push or a delivery, where no platform said it.

texts! {
    /// What became of a push or a delivery, where no platform said it.
    AnswerTexts {
        timed_out: "超时无应答: ", "no answer in time: ";
        cannot_connect: "连不上平台: ", "cannot connect: ";
        unknown_call(call: &str, status: u16, said: &str):
        "平台没有`{call}`接口: 请平台开通, 或检查平台地址: HTTP {status}{said}", "the platform does not know the call `{call}`: ask it to enable it, or check the address: HTTP {status}{said}";
        no_reply(status: u16): "HTTP {status}: 不是本协议的应答", "HTTP {status}: no reply of the protocol";
        check_address: "; 检查平台地址", "; is the address right?";
        private(host: &str):
        "{host} 是内网地址: 需要时设置 [forward] allow_private = true 或 PARKGATE_FORWARD_ALLOW_PRIVATE=true", "{host} is a private address: if it is wanted, set [forward] allow_private = true or PARKGATE_FORWARD_ALLOW_PRIVATE=true";
        not_recorded(error: &str): "未能记录: {error}", "not recorded: {error}";
        gone: "记录已不在", "the record is gone";
        incomplete: "请求体不完整, 无法重放", "not all of the body arrived: it cannot be replayed";
        as_it_came: "请求体按原样保存, 其中的图片无法重放", "kept as it came: the pictures in it cannot be replayed";
        away: "平台不可达, 稍后再试", "away: tried again later";
        unwanted: "HTTP 410: 不再接收", "HTTP 410: gone";
        write_url(url: &str): "`{url}` 不是地址: 应写成 http://… 或 https://…", "`{url}` is no address: write http://… or https://…";
    }
}
