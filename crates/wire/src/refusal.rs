//! Why a push is refused, in the order of the checks (`DESIGN.md` 3.3), with the hint that names the place.
//!
//! A hint says what was found and what is expected, and never contains anything the sender did not send.

mod reason;

pub use reason::{Reason, finding_words, words};

/// A push that its sender must correct.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.hint())]
pub enum Refusal {
    // 1. transport
    /// Not a POST.
    Method {
        /// The method used.
        found: String,
    },
    /// Parameters in the address: they would not be signed.
    QuerySent,
    /// `Content-Encoding`: bodies are never decompressed.
    ContentEncoding {
        /// The coding named.
        found: String,
    },
    /// Neither a form nor multipart.
    ContentType {
        /// What the header says.
        found: String,
    },
    /// A charset that forms may not use.
    Charset {
        /// The part that names it; `None` if the request does.
        part: Option<String>,
        /// The name given.
        found: String,
    },
    /// `Content-Transfer-Encoding` of a part: base64 and quoted-printable are decoded, others are not.
    TransferEncoding {
        /// The part.
        part: String,
        /// The encoding named.
        found: String,
    },
    /// The body is not what its content type says.
    Malformed {
        /// Where, and what is wrong.
        place: String,
    },
    /// The body stopped arriving.
    TooSlow,
    /// Body over its limit.
    BodyTooLarge {
        /// The limit.
        bytes_max: u64,
    },
    /// A file over its limit.
    FileTooLarge {
        /// The part.
        name: String,
        /// The limit.
        bytes_max: u64,
    },
    /// More parts, files or names than allowed.
    TooMany {
        /// Of what.
        what: &'static str,
        /// The limit.
        max: usize,
    },
    /// A value over its limit.
    ValueTooLong {
        /// The parameter.
        name: String,
        /// The limit.
        bytes_max: usize,
    },
    /// A malformed name.
    BadName {
        /// The name, shortened.
        name: String,
    },
    /// The secret itself was sent.
    SecretSent,
    /// Bytes that are not text in their charset.
    NotText {
        /// The parameter.
        name: String,
        /// The charset's name.
        charset: &'static str,
    },
    // 2. and 4. required parameters
    /// Not sent, or empty.
    Missing {
        /// The parameter.
        name: &'static str,
    },
    /// `park_uuid` and `merchant` name two parks.
    TwoParks,
    // 3. access
    /// No such park, or a disabled one.
    UnknownPark,
    /// No such app, a disabled one, or one that may not push for this park.
    AppNotAllowed,
    /// The address is not in the park's list.
    AddressNotAllowed,
    /// `sign_type` other than MD5.
    SignType {
        /// What was sent.
        found: String,
    },
    // 5. after the signature
    /// The signed string can be read as other parameters.
    Ambiguous {
        /// The parameter whose value can be read as another parameter.
        name: String,
        /// The other one.
        inner: String,
    },
    /// A known name sent twice.
    Repeated {
        /// The name.
        name: String,
    },
    /// A field of the other call.
    Foreign {
        /// The name.
        name: String,
        /// The call that was made, in Chinese and English.
        call: (&'static str, &'static str),
    },
    // 6. values
    /// A value not of the documented form.
    Value {
        /// The parameter, or the place in `payment_list`.
        name: String,
        /// What was sent, shortened.
        found: String,
        /// What the document says.
        expected: &'static str,
    },
    /// More payments than allowed.
    TooManyPayments {
        /// How many.
        found: usize,
        /// The limit.
        max: usize,
    },
    /// A file without its hash.
    HashMissing {
        /// The hash parameter.
        name: String,
        /// The file part.
        file: String,
    },
    /// A hash without its file.
    FileMissing {
        /// The hash parameter.
        name: String,
        /// The file part.
        file: String,
    },
    /// A hash that is not the file's.
    HashDiffers {
        /// The hash parameter.
        name: String,
        /// The hash that was sent.
        found: String,
        /// The hash of the bytes received.
        computed: String,
    },
}

/// The row of the reply table that answers a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalClass {
    /// 400.
    BadRequest,
    /// HTTP 413, code 400.
    TooLarge,
    /// HTTP 415, code 400.
    UnsupportedCoding,
    /// HTTP 408, code 400.
    TimedOut,
    /// 403.
    Forbidden,
}

impl Refusal {
    /// The row of the reply table.
    #[must_use]
    pub fn class(&self) -> RefusalClass {
        match self {
            Refusal::BodyTooLarge { .. }
            | Refusal::FileTooLarge { .. }
            | Refusal::TooMany { .. }
            | Refusal::ValueTooLong { .. }
            | Refusal::TooManyPayments { .. } => RefusalClass::TooLarge,
            Refusal::ContentEncoding { .. } => RefusalClass::UnsupportedCoding,
            Refusal::TooSlow => RefusalClass::TimedOut,
            Refusal::UnknownPark | Refusal::AppNotAllowed | Refusal::AddressNotAllowed => RefusalClass::Forbidden,
            Refusal::Method { .. }
            | Refusal::QuerySent
            | Refusal::ContentType { .. }
            | Refusal::Charset { .. }
            | Refusal::TransferEncoding { .. }
            | Refusal::Malformed { .. }
            | Refusal::BadName { .. }
            | Refusal::SecretSent
            | Refusal::NotText { .. }
            | Refusal::Missing { .. }
            | Refusal::TwoParks
            | Refusal::SignType { .. }
            | Refusal::Ambiguous { .. }
            | Refusal::Repeated { .. }
            | Refusal::Foreign { .. }
            | Refusal::Value { .. }
            | Refusal::HashMissing { .. }
            | Refusal::FileMissing { .. }
            | Refusal::HashDiffers { .. } => RefusalClass::BadRequest,
        }
    }

    /// The sentence for the sender: the document's own where it has one, else in Chinese and English.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Refusal::Method { found } => format!("请求方法应为`POST`, 收到`{found}` (use POST)"),
            Refusal::QuerySent => QUERY_SENT.into(),
            Refusal::ContentEncoding { found } => {
                format!("不支持`Content-Encoding: {found}`, 请不压缩提交 (send the body uncompressed)")
            }
            Refusal::ContentType { found } => format!(
                "`Content-Type`应为`application/x-www-form-urlencoded`或`multipart/form-data`, 收到`{found}` (send a form)"
            ),
            Refusal::Charset { part, found } => {
                let of = part.as_ref().map_or(String::new(), |part| format!("表单部分`{part}`: "));
                format!("{of}不支持字符集`{found}`, 请用UTF-8、GBK、GB18030或Big5 (unsupported charset)")
            }
            Refusal::TransferEncoding { part, found } => format!(
                "表单部分`{part}`: 不支持`Content-Transfer-Encoding: {found}`, 请用8bit、base64或quoted-printable (unsupported transfer encoding)"
            ),
            Refusal::Malformed { place } => format!("请求体格式错误: {place} (malformed body)"),
            Refusal::TooSlow => "请求体接收超时 (the body arrived too slowly)".into(),
            Refusal::BodyTooLarge { bytes_max } => format!("请求体超过上限{bytes_max}字节 (body over its limit)"),
            Refusal::FileTooLarge { name, bytes_max } => {
                format!("文件`{name}`超过上限{bytes_max}字节 (file over its limit)")
            }
            Refusal::TooMany { what, max } => format!("{what}超过上限{max}个 (over its limit)"),
            Refusal::ValueTooLong { name, bytes_max } => {
                format!("参数`{name}`超过上限{bytes_max}字节 (value over its limit)")
            }
            Refusal::BadName { name } => {
                format!("参数名`{name}`无效, 应由小写字母、数字、下划线组成且不超过64个字符 (bad parameter name)")
            }
            Refusal::SecretSent => "参数`app_secret`不应发送, 它只参与签名计算 (never send the secret itself)".into(),
            Refusal::NotText { name, charset } => {
                format!("参数`{name}`不是有效的{charset}文本, 请检查编码 (not valid text in this charset)")
            }
            Refusal::Missing { name } => format!("参数`{name}`未传递"),
            Refusal::TwoParks => "参数`park_uuid`与`merchant`不是同一停车场 (they name two parks)".into(),
            Refusal::UnknownPark => "停车场不存在或已停用 (unknown or disabled park)".into(),
            Refusal::AppNotAllowed => "应用不存在、已停用或未授权该停车场 (app not allowed for this park)".into(),
            Refusal::AddressNotAllowed => "来源地址未授权 (source address not allowed)".into(),
            Refusal::SignType { found } => format!("参数`sign_type`应为`MD5`, 收到`{found}` (only MD5)"),
            Refusal::Ambiguous { name, inner } => format!(
                "参数`{name}`的值含有`&{inner}=`, 签名字符串存在歧义 (the signed string can be read in two ways)"
            ),
            Refusal::Repeated { name } => format!("参数`{name}`重复传递 (sent more than once)"),
            Refusal::Foreign { name, call: (zh, en) } => format!("参数`{name}`不属于{zh} (not a parameter of {en})"),
            Refusal::Value { name, found, expected } => format!("参数`{name}`应为{expected}, 收到`{found}`"),
            Refusal::TooManyPayments { found, max } => {
                format!("参数`payment_list`有{found}条支付记录, 超过上限{max}条 (payments over their limit)")
            }
            Refusal::HashMissing { name, file } => {
                format!("参数`{name}`未传递, 上传文件`{file}`时必须传递其MD5 (a file needs its hash)")
            }
            Refusal::FileMissing { name, file } => {
                format!("传递了`{name}`但未上传文件`{file}` (a hash needs its file)")
            }
            Refusal::HashDiffers { name, found, computed } => {
                format!("参数`{name}`应为文件的MD5`{computed}`, 收到`{found}` (the hash is not the file's)")
            }
        }
    }
}

const QUERY_SENT: &str = "参数应放在表单中, 不能放在URL里 (send parameters in the form, not in the URL)";

/// Text that was found, shortened for a hint.
pub(crate) fn shortened(text: &str) -> String {
    const SHOWN_MAX: usize = 64;
    match text.char_indices().nth(SHOWN_MAX) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or("")),
    }
}
