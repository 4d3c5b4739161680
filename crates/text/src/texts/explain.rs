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
        nothing_pasted: "--string: 没有找到 …&app_secret=***, 请粘贴平台返回的 hint 或整个 JSON", "--string: there is no …&app_secret=*** in it; paste the platform's hint or whole reply";
        what_was_sent: "请给出发送的内容: k=v、--body、--request 或 --string", "say what was sent: k=v, --body, --request or --string";
        signs_to(sign: &str): "用此密钥对平台的字符串签名应为 {sign}; 与您发送的 sign 比较", "with this secret the platform's string signs to {sign}: compare it with the sign you sent";
        same_string: "平台的字符串与这些字段的一致, 所以不同的是密钥或 MD5 的计算", "the platform's string is that of these fields: so the secret or the MD5 differs";
        other_string(at: usize): "平台收到的与这些字段从第 {at} 字节起不同", "what the platform received differs from these fields from byte {at} on";
        refused(hint: &str): "签名正确, 但推送会被拒绝: {hint}", "the signature matches, yet the push is refused: {hint}";
        matches(variant: &str): "签名正确 ({variant})", "the signature matches ({variant})";
        but(what: &str): "; 但{what}", "; yet {what}";
        no_gap: "没有空行分隔的请求头与请求体", "no empty line between the headers and the body";
        finding: "结论", "finding";
        suspects: "易变字段", "suspects";
        expected: "应签", "expected";
        signed: "实签", "signed";
        at_byte: "首处不同", "first at byte";
    }
}
