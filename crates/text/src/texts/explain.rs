//! Texts of `explain`.

texts! {
    /// Texts of `explain`.
    ExplainTexts {
        sign: "所发送的 sign, 若不在参数之中", "The sign that was sent, if it is not among the parameters";
        params: "所发送的参数, 写成 `name=value`", "Parameters as they were sent, `name=value`";
        body: "抓取的请求体", "A captured body";
        content_type: "其内容类型 [默认: application/x-www-form-urlencoded]", "Its content type [default: application/x-www-form-urlencoded]";
        request: "抓取的 HTTP 请求: 请求头、空行、请求体", "A captured HTTP request: headers, an empty line, the body";
        string: "粘贴平台返回的 hint 或整个应答; `@FILE` 从文件读取", "The platform's hint, or its whole reply, pasted; `@FILE` reads it from a file";
        other_secret: "可能误用的其他密钥", "Other secrets that may have been used by mistake";
    }
}
