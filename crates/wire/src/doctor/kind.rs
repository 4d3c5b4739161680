//! Everything the doctor can say: a code for each mistake and its sentence in two languages.

macro_rules! kinds {
    ($($name:ident $code:literal $zh:literal $en:literal;)*) => {
        /// What is wrong, as a stable code. In the sentences `{}` stands for the detail: a parameter, a piece of text.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum FindingKind {
            $(#[doc = $en] $name,)*
        }

        impl FindingKind {
            /// Every kind, for metrics and the docs.
            pub const ALL: &'static [FindingKind] = &[$(FindingKind::$name,)*];

            /// The code: snake_case, stable for ever.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self { $(FindingKind::$name => $code,)* }
            }

            /// The kind of that code.
            #[must_use]
            pub fn of_code(code: &str) -> Option<FindingKind> {
                FindingKind::ALL.iter().copied().find(|kind| kind.code() == code)
            }

            /// The clause in Chinese, `{}` where the detail goes.
            #[must_use]
            pub fn zh(self) -> &'static str {
                match self { $(FindingKind::$name => $zh,)* }
            }

            /// The clause in English, `{}` where the detail goes.
            #[must_use]
            pub fn en(self) -> &'static str {
                match self { $(FindingKind::$name => $en,)* }
            }
        }
    };
}

kinds! {
    SignatureMatches "signature_matches" "签名正确" "the signature is right";
    SignMissing "sign_missing" "参数`sign`未传递" "parameter `sign` was not sent";
    SignNotMd5 "sign_not_md5" "`sign`不是32位十六进制数(收到{}个字符), 应为MD5" "`sign` is not 32 hex digits ({} characters came): an MD5 is wanted";
    SignIsSha1 "sign_is_sha1" "`sign`为40位十六进制数(SHA-1的长度), 应为MD5(32位)" "`sign` has 40 hex digits, as SHA-1 has: an MD5 (32 digits) is wanted";
    SignIsSha256 "sign_is_sha256" "`sign`为64位十六进制数(SHA-256的长度), 应为MD5(32位)" "`sign` has 64 hex digits, as SHA-256 has: an MD5 (32 digits) is wanted";
    SignIsBase64 "sign_is_base64" "`sign`像是Base64, 应为MD5的32位十六进制数" "`sign` looks like Base64: the MD5 as 32 hex digits is wanted";
    NoKnownMistake "no_known_mistake" "没有匹配的已知错误: 请核对APP_SECRET是否属于{}, 签名后字段是否被改动" "no known mistake matches: check that APP_SECRET is that of {}, and that no field was changed after signing";
    LostText "lost_text" "中文在发送前已丢失: {}; 请以UTF-8发送各部分, 或使用encoding=URL" "Chinese text was lost before it was sent: {}; send UTF-8 parts, or use encoding=URL";
    ParkSecretForApp "park_secret_for_app" "传递了`app_id`却用停车场的密钥签名, 应使用该应用的APP_SECRET" "`app_id` was sent, yet the park's secret was used: the app's is wanted";
    AppSecretForPark "app_secret_for_park" "未传递`app_id`却用应用的密钥签名, 应使用停车场的APP_SECRET" "the app's secret was used, yet no `app_id` was sent: the park's is wanted";
    RotatedSecret "rotated_secret" "使用了已更换的旧密钥" "an old secret was used, which has been replaced";
    OtherParkSecret "other_park_secret" "使用了其他停车场的密钥" "the secret of another park was used";
    OtherAppSecret "other_app_secret" "使用了其他应用的密钥" "the secret of another app was used";
    OrderAsSent "order_as_sent" "参数名未按字典序排序(按发送顺序签名)" "the keys were not sorted, but signed in the order sent";
    OrderReversed "order_reversed" "参数名按倒序排序" "the keys were sorted in descending order";
    OrderByValue "order_by_value" "按参数值而非参数名排序" "the parameters were sorted by value, not by key";
    OrderUpperCase "order_upper_case" "参数名按不区分大小写(大写)排序, `_`排在字母之后; 应按字节序" "the keys were sorted ignoring case (`_` after the letters): byte order is wanted";
    OrderWithoutUnderscore "order_without_underscore" "排序时忽略了`_`, 应按字节序" "the keys were sorted ignoring `_`: byte order is wanted";
    KeyLeftOut "key_left_out" "参数`{}`已发送但未参与签名" "parameter `{}` was sent but left out of the signature";
    HashLeftOut "hash_left_out" "文件哈希`{}`未参与签名" "the file hash `{}` was left out of the signature";
    AbsentKeySigned "absent_key_signed" "参数`{}`参与了签名但未发送" "parameter `{}` was signed but not sent";
    FileSigned "file_signed" "文件字段`{}`参与了签名, 只应由对应的`_hash`参与" "the file's field `{}` was signed: only its `_hash` takes part";
    SignIncluded "sign_included" "`sign`自身参与了签名" "`sign` itself was signed";
    AmpersandSplit "ampersand_split" "参数`{}`的值中的`&`在请求体里未转义, 值被截断" "the `&` in the value of `{}` was not escaped in the body, so the value was cut";
    EmptiesMixed "empties_mixed" "空值处理不一致: 只有部分空值参数参与了签名({})" "empty values were treated in two ways: only some were signed ({})";
    NullForEmpty "null_for_empty" "空值按`{}`参与了签名" "empty values were signed as `{}`";
    UrlEncodedValues "url_encoded_values" "未传递encoding=URL, 却对URL编码后的值签名" "the values were URL-encoded for signing, though encoding=URL was not sent";
    UrlEncodedGbk "url_encoded_gbk" "值按GBK做URL编码后签名, 应为UTF-8" "the values were URL-encoded in GBK for signing: UTF-8 is wanted";
    EncodedOnceMore "encoded_once_more" "签名时的值比发送的值多做了一次URL编码" "the values were URL-encoded once more for signing than for sending";
    DecodedValues "decoded_values" "传递了encoding=URL, 却对未编码的值签名" "the values were signed unencoded, though encoding=URL was sent";
    DoubleEncoded "double_encoded_on_wire" "值在发送时被多做了一次URL编码, 且未传递encoding=URL" "the values were URL-encoded twice on the wire, without encoding=URL";
    EscapeCase "escape_case" "签名与发送的URL编码(%XX)大小写不一致" "the %XX escapes differ in case between signing and sending";
    PlusBecameSpace "plus_became_space" "值中的`+`在请求体里未转义, 传输后变成了空格" "a `+` in a value was not escaped in the body and arrived as a space";
    SpaceBecamePlus "space_became_plus" "值中的空格到达时变成了`+`(多做了一次编码)" "a space in a value arrived as `+` (encoded once too often)";
    HtmlEntities "html_entities" "签名与发送的值中HTML转义(如&amp;)不一致" "HTML entities (such as &amp;) differ between the value signed and the value sent";
    JsonSpacing "json_spacing" "`payment_list`签名后被重新序列化: 空白或换行不同" "the JSON of payment_list was written anew after signing: the spacing differs";
    JsonKeyOrder "json_key_order" "`payment_list`签名后被重新序列化: JSON键的顺序不同" "the JSON of payment_list was written anew after signing: the order of its keys differs";
    JsonEscapes "json_escapes" "`payment_list`签名后被重新序列化: 转义不同(\\uXXXX或\\/)" "the JSON of payment_list was written anew after signing: the escapes differ (\\uXXXX or \\/)";
    JsonLibrary "json_library" "`payment_list`签名后被重新序列化: {}" "the JSON of payment_list was written anew after signing, in the manner of {}";
    JsonTypes "json_types" "`payment_list`签名后被重新序列化: 数字与字符串类型不同" "the JSON of payment_list was written anew after signing: numbers and strings differ";
    JsonOmissions "json_omissions" "`payment_list`签名后被重新序列化: 空值字段被省略或补上" "the JSON of payment_list was written anew after signing: empty members were omitted on one side";
    JsonEscaped "json_escaped" "对转义后的JSON(\\\")签名, 应去除转义后签名" "the JSON was signed with its quotes escaped (\\\"): sign it without";
    JsonUnescaped "json_unescaped" "发送的JSON带有转义(\\\"), 签名时没有" "the JSON was sent with its quotes escaped (\\\"), but signed without";
    JsonNotWritten "json_not_written" "对列表对象的文本({})签名, 而不是对发送的JSON签名" "the list object's text ({}) was signed, not the JSON that was sent";
    HashCase "hash_case" "`_hash`参数签名与发送的大小写不一致" "the `_hash` differs in case between signing and sending";
    LetterCase "letter_case" "参数`{}`签名与发送的大小写不一致" "parameter `{}` differs in case between signing and sending";
    WhitespaceTrimmed "whitespace_trimmed" "签名时去掉了值首尾的空白, 发送时没有" "white space around values was trimmed for signing, but sent";
    WhitespaceRemoved "whitespace_removed" "签名时去掉了值中的空格, 发送时没有" "spaces inside values were removed for signing, but sent";
    WhitespaceAdded "whitespace_added" "参数`{}`签名时首尾带有空白或换行, 发送时没有" "parameter `{}` was signed with white space around it that was not sent";
    BomInValue "bom_in_value" "参数值`{}`的BOM(U+FEFF)只出现在签名或发送的一方" "a BOM (U+FEFF) in value `{}` was there only when signing, or only when sending";
    BomInFront "bom_in_front" "签名字符串前带有BOM(U+FEFF)" "the string was signed with a BOM (U+FEFF) in front";
    NumberFormat "number_format" "数值格式不一致(如1与1.0), 签名与发送不同" "a number was formatted otherwise for signing than for sending (as 1 and 1.0)";
    SignedInGbk "signed_in_gbk" "按GBK编码签名, 应为UTF-8" "signed in GBK: UTF-8 is wanted";
    SignedInGb18030 "signed_in_gb18030" "按GB18030编码签名, 应为UTF-8" "signed in GB18030: UTF-8 is wanted";
    SignedInLatin1 "signed_in_latin1" "按ISO-8859-1/ASCII编码签名(中文变成了?), 应为UTF-8" "signed in ISO-8859-1 or ASCII, each Chinese character as `?`: UTF-8 is wanted";
    SignedInUtf16 "signed_in_utf16" "按UTF-16编码签名, 应为UTF-8" "signed in UTF-16: UTF-8 is wanted";
    Mojibake "mojibake" "签名时UTF-8字节被当作ISO-8859-1再次编码(乱码)" "the UTF-8 bytes were taken for ISO-8859-1 and encoded once more for signing";
    JoinedOtherwise "joined_otherwise" "参数未按`k=v&k=v`拼接(使用了`{}`)" "the parameters were not joined as `k=v&k=v` (but as `{}`)";
    SecretWithoutName "secret_without_name" "密钥前缺少`app_secret=`, 应以`&app_secret=密钥`结尾" "the secret was appended without `app_secret=`: end with `&app_secret=SECRET`";
    SecretOtherName "secret_other_name" "密钥的参数名是`{}`, 应为`app_secret`" "the secret was named `{}`: `app_secret` is wanted";
    SecretInFront "secret_in_front" "密钥放在了字符串前面, 应以`&app_secret=密钥`结尾" "the secret stood in front: end with `&app_secret=SECRET`";
    SecretBothEnds "secret_both_ends" "密钥放在了字符串两端, 应只以`&app_secret=密钥`结尾" "the secret stood at both ends: only end with `&app_secret=SECRET`";
    SecretSortedIn "secret_sorted_in" "`app_secret`参与了排序, 应始终放在最后" "`app_secret` was sorted among the keys: it always comes last";
    SecretMissing "secret_missing" "签名字符串中没有密钥" "there was no secret in the string that was signed";
    SecretMasked "secret_masked" "签名时把`***`当作了密钥(复制自hint)" "the `***` of a hint was signed in place of the secret";
    SecretTransformed "secret_transformed" "密钥被转换过({}), 应原样使用" "the secret was transformed ({}): use it as it is";
    SecretWhitespace "secret_whitespace" "密钥首尾的空白, 换行或BOM不一致(签名与平台登记不同), 或字符串末尾多了空白" "white space or a BOM around the secret differs from the platform's, or the string ended in white space";
    Separators "separators" "`&`多了或少了: 应为`k=v&k=v&app_secret=密钥`" "an `&` too many or too few: `k=v&k=v&app_secret=SECRET` is wanted";
    WholeEncoded "whole_encoded" "整个签名字符串被URL编码后再签名" "the whole string was URL-encoded before hashing";
    WholeCase "whole_case" "整个签名字符串被转换了大小写后再签名" "the case of the whole string was changed before hashing";
    Md5Twice "md5_twice" "做了两次MD5" "MD5 was taken twice";
    HmacMd5 "hmac_md5" "使用了HMAC-MD5, 应为MD5" "HMAC-MD5 was used: plain MD5 is wanted";
    ShortMd5 "short_md5" "使用了16位MD5, 应为32位" "the 16-digit MD5 was sent: all 32 digits are wanted";
    HexZerosLost "hex_zeros_lost" "MD5转十六进制时丢失了前导0" "leading zeros were lost when the MD5 was written in hex";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_snake_case_and_of_their_own() {
        let mut seen = std::collections::HashSet::new();
        for kind in FindingKind::ALL {
            assert!(kind.code().bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'));
            assert!(seen.insert(kind.code()), "{kind:?}");
            assert_eq!(kind.zh().matches("{}").count(), kind.en().matches("{}").count(), "{kind:?}");
        }
    }
}
