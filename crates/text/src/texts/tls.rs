//! Texts about TLS.

texts! {
    /// Texts about TLS.
    TlsTexts {
        half(missing: &str): "[tls] 须同时设置 certificate 和 key: 缺少 {missing}", "[tls] needs both certificate and key: {missing} is missing";
        unreadable(path: &str, error: &str): "[tls] 不能读取 {path}: {error}。请检查路径, 并让运行 parkgate 的用户可以读取它", "[tls] cannot read {path}: {error}. Check the path, and let the user that runs parkgate read it";
        too_large(path: &str): "[tls] {path} 过大: 这不是证书或私钥", "[tls] {path} is too large for a certificate or a key";
        no_certificate(path: &str): "[tls] {path} 中没有PEM格式的证书: 应有 -----BEGIN CERTIFICATE-----", "[tls] {path} holds no certificate in PEM: it should have -----BEGIN CERTIFICATE-----";
        no_key(path: &str): "[tls] {path} 中没有PEM格式的私钥: 应有 -----BEGIN PRIVATE KEY-----", "[tls] {path} holds no private key in PEM: it should have -----BEGIN PRIVATE KEY-----";
        encrypted_key(path: &str): "[tls] {path} 中的私钥有口令。去掉口令: openssl pkey -in {path} -out 新文件", "[tls] the private key in {path} has a password. Take it off: openssl pkey -in {path} -out NEW-FILE";
        mismatch(certificate: &str, key: &str): "[tls] 证书 {certificate} 与私钥 {key} 不是一对", "[tls] the certificate {certificate} and the key {key} do not belong together";
        unusable(path: &str, reason: &str): "[tls] {path} 不能使用: {reason}", "[tls] {path} cannot be used: {reason}";
    }
}
