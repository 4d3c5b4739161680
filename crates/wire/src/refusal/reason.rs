//! Why a push was refused, as a stable name and as a sentence: for counters, logs and listings.

use super::Refusal;
use crate::doctor::FindingKind;

macro_rules! reasons {
    ($($name:ident $zh:literal $en:literal;)*) => {
        /// Why a push was refused, without the values that were sent: each [`Refusal`], a wrong signature, and a serial
        /// with too many conflicts.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Reason {
            $(#[doc = $en] $name,)*
        }

        impl Reason {
            /// Every reason.
            pub const ALL: &'static [Reason] = &[$(Reason::$name,)*];

            /// The name for logs, metrics and the store. Never changes.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Reason::$name => stringify!($name),)* }
            }

            /// For people, in Chinese.
            #[must_use]
            pub fn zh(self) -> &'static str {
                match self { $(Reason::$name => $zh,)* }
            }

            /// For people, in English.
            #[must_use]
            pub fn en(self) -> &'static str {
                match self { $(Reason::$name => $en,)* }
            }
        }
    };
}

reasons! {
    Method "请求方法不是POST" "not a POST";
    QuerySent "参数放在了URL里" "parameters in the address";
    ContentEncoding "请求体被压缩" "compressed body";
    ContentType "Content-Type不是表单" "content type of no form";
    Charset "不支持的字符集" "charset not supported";
    TransferEncoding "不支持的Content-Transfer-Encoding" "transfer encoding not supported";
    Malformed "请求体格式错误" "malformed body";
    TooSlow "请求体接收超时" "body too slow";
    BodyTooLarge "请求体超过上限" "body over its limit";
    FileTooLarge "文件超过上限" "file over its limit";
    TooMany "参数或文件过多" "too many parameters or files";
    ValueTooLong "参数值超过上限" "value over its limit";
    BadName "参数名无效" "bad parameter name";
    SecretSent "发送了密钥本身" "the secret itself was sent";
    NotText "参数值不是有效文本" "value is no text in its charset";
    Missing "必填参数未传递" "required parameter missing";
    TwoParks "park_uuid与merchant不是同一停车场" "park_uuid and merchant name two parks";
    UnknownPark "停车场不存在或已停用" "unknown or disabled park";
    AppNotAllowed "应用不存在、已停用或未授权" "app not allowed";
    AddressNotAllowed "来源地址未授权" "source address not allowed";
    SignType "sign_type不是MD5" "sign_type other than MD5";
    Ambiguous "签名字符串有歧义" "signed string ambiguous";
    Repeated "参数重复传递" "parameter sent more than once";
    Foreign "参数不属于该推送" "parameter of another call";
    Value "参数值不合要求" "value not of the documented form";
    TooManyPayments "支付记录过多" "too many payments";
    HashMissing "文件缺少其哈希" "file without its hash";
    FileMissing "哈希缺少其文件" "hash without its file";
    HashDiffers "哈希与文件不符" "hash is not the file's";
    Signature "签名不正确" "signature wrong";
    Conflict "流水号已被其他推送占用" "serial taken by other pushes";
}

impl Reason {
    /// The reason of that name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Reason> {
        Reason::ALL.iter().copied().find(|reason| reason.name() == name)
    }
}

/// A quarantined push's reason in words, in Chinese and in English. A name from a newer version is returned as it is.
#[must_use]
pub fn words(reason: &str, finding: Option<&str>) -> (String, String) {
    let (zh, en) = Reason::of_name(reason).map_or((reason, reason), |reason| (reason.zh(), reason.en()));
    match finding.map(finding_words) {
        None => (zh.to_owned(), en.to_owned()),
        Some((finding_zh, finding_en)) => (format!("{zh}: {finding_zh}"), format!("{en}: {finding_en}")),
    }
}

/// The sign doctor's finding in Chinese and in English, without the detail.
#[must_use]
pub fn finding_words(finding: &str) -> (String, String) {
    let open = |sentence: &str| sentence.replace("{}", "…");
    FindingKind::of_code(finding)
        .map_or_else(|| (finding.into(), finding.into()), |kind| (open(kind.zh()), open(kind.en())))
}

impl Refusal {
    /// The reason, without the values that were sent.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Refusal::Method { .. } => Reason::Method,
            Refusal::QuerySent => Reason::QuerySent,
            Refusal::ContentEncoding { .. } => Reason::ContentEncoding,
            Refusal::ContentType { .. } => Reason::ContentType,
            Refusal::Charset { .. } => Reason::Charset,
            Refusal::TransferEncoding { .. } => Reason::TransferEncoding,
            Refusal::Malformed { .. } => Reason::Malformed,
            Refusal::TooSlow => Reason::TooSlow,
            Refusal::BodyTooLarge { .. } => Reason::BodyTooLarge,
            Refusal::FileTooLarge { .. } => Reason::FileTooLarge,
            Refusal::TooMany { .. } => Reason::TooMany,
            Refusal::ValueTooLong { .. } => Reason::ValueTooLong,
            Refusal::BadName { .. } => Reason::BadName,
            Refusal::SecretSent => Reason::SecretSent,
            Refusal::NotText { .. } => Reason::NotText,
            Refusal::Missing { .. } => Reason::Missing,
            Refusal::TwoParks => Reason::TwoParks,
            Refusal::UnknownPark => Reason::UnknownPark,
            Refusal::AppNotAllowed => Reason::AppNotAllowed,
            Refusal::AddressNotAllowed => Reason::AddressNotAllowed,
            Refusal::SignType { .. } => Reason::SignType,
            Refusal::Ambiguous { .. } => Reason::Ambiguous,
            Refusal::Repeated { .. } => Reason::Repeated,
            Refusal::Foreign { .. } => Reason::Foreign,
            Refusal::Value { .. } => Reason::Value,
            Refusal::TooManyPayments { .. } => Reason::TooManyPayments,
            Refusal::HashMissing { .. } => Reason::HashMissing,
            Refusal::FileMissing { .. } => Reason::FileMissing,
            Refusal::HashDiffers { .. } => Reason::HashDiffers,
        }
    }

    /// Its name, for listings, logs and metrics; never contains what was sent.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.reason().name()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_and_finding_has_words_of_its_own() {
        let mut seen = std::collections::HashSet::new();
        for reason in Reason::ALL {
            assert_eq!(Reason::of_name(reason.name()), Some(*reason));
            let (zh, en) = words(reason.name(), None);
            assert!(!zh.contains(reason.name()) && !en.contains(reason.name()), "{zh} {en}");
            assert!(seen.insert(zh) && seen.insert(en));
        }
        for kind in FindingKind::ALL {
            let (zh, en) = words("Signature", Some(kind.code()));
            assert!(zh.starts_with("签名不正确: ") && !zh.contains("{}"), "{zh}");
            assert!(en.starts_with("signature wrong: ") && !en.contains("{}"), "{en}");
            assert!(seen.insert(zh) && seen.insert(en));
        }
    }

    #[test]
    fn a_name_of_a_newer_program_stays() {
        let both = |zh: &str, en: &str| (zh.to_owned(), en.to_owned());
        assert_eq!(words("Later", None), both("Later", "Later"));
        assert_eq!(words("Signature", Some("later")), both("签名不正确: later", "signature wrong: later"));
    }
}
