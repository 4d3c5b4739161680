//! Texts about upgrades and rollbacks.

texts! {
    /// Texts about upgrades and rollbacks.
    UpgradeTexts {
        newer(needed: &str, own: &str): "数据库已由 parkgate {needed} 升级, 须用 {needed} 或更新的版本; 这是 {own}。退回旧版本见 operate.zh.md", "the database was migrated by parkgate {needed}: use {needed} or newer; this is {own}. Rolling back: see operate.md";
        newer_unknown(own: &str): "数据库已由更新的 parkgate 升级; 这是 {own}: 请用更新的版本", "the database was migrated by a newer parkgate; this is {own}: use a newer one";
    }
}
