//! Texts of the master key.

texts! {
    /// Texts of the master key.
    KeyTexts {
        about: "主密钥: 更换, 查看进度 (从不显示密钥)", "Master key: change it, and see how far that is (never the key)";
        rotate_about: "更换主密钥: 已加密的内容在后台逐步改用新密钥, 不停机",
            "Change the master key: what is sealed is sealed anew in the background, while everything runs";
        rotate_notes: "各节点自动取得新密钥; 旧密钥不再使用后移到数据目录的\nretired.keys, 更早的备份要用它恢复。\n\
            密钥来自环境变量时: PARKGATE_MASTER_KEY 改为新密钥,\nPARKGATE_MASTER_KEY_OLD 填旧密钥, 重启所有节点, 再执行本命令;\n完成后去掉 PARKGATE_MASTER_KEY_OLD。",
            "Nodes take the new key by themselves. Once nothing is sealed under the old one it\ngoes to retired.keys in the data folder: backups from before need it.\n\
            A key from the environment: set PARKGATE_MASTER_KEY to the new key and\nPARKGATE_MASTER_KEY_OLD to the one in use, restart every node, then run this;\ntake the second one away once it is done.";
        goes_on_help: "接着做未完成的更换", "Go on with a change that is not finished";
        detach_help: "只开始; 由运行中的节点完成", "Only begin: nodes that run do the rest";
        show_about: "密钥列表: 编号、状态、进度", "The keys: ids, states, how far";
        begun(id: &str): "新主密钥 {id}", "new master key {id}";
        under_way: "主密钥正在更换, 未开始新的: 见 `parkgate key show`, 或用 --go-on 接着做",
            "the master key is being changed already: see `parkgate key show`, or go on with --go-on";
        nothing_under_way: "没有未完成的更换", "no change of the key is under way";
        no_new_key: "主密钥来自环境变量: 请把 PARKGATE_MASTER_KEY 设为新密钥 (64位十六进制), PARKGATE_MASTER_KEY_OLD 设为现用密钥, 重启各节点后再执行",
            "the key comes from the environment: set PARKGATE_MASTER_KEY to a new key (64 hex digits) and PARKGATE_MASTER_KEY_OLD to the one in use, restart every node, then run this again";
        detached: "已开始, 由运行中的节点在后台完成: 见 `parkgate key show`",
            "begun: nodes that run do the rest in the background, see `parkgate key show`";
        not_here(id: &str): "由主密钥 {id} 加密, 这里没有它: 从使用它的节点复制 master.key",
            "sealed under the master key {id}, which is not here: copy master.key from a node that uses it";
        another(sealed: &str, path: &str): "{sealed} 由另一个主密钥加密, 不是 {path}: 从使用它的节点复制 master.key",
            "{sealed} is sealed under another master key than {path}: copy master.key from a node that uses it";
        done(id: &str, rows: u64): "已改用主密钥 {id}, 重新加密 {rows} 行。旧密钥已移到 retired.keys: 更早的备份要用它。请另行备份 master.key",
            "sealed under master key {id} now, {rows} rows anew. The old key is in retired.keys: backups from before need it. Keep a copy of master.key elsewhere";
        progress(table: &str, rows: u64): "重新加密 {table}: {rows} 行", "sealing anew {table}: {rows} rows";
        id: "编号", "id";
        state: "状态", "state";
        coming: "即将使用", "coming";
        active: "使用中", "in use";
        old: "更换中", "being replaced";
        retired: "已停用", "retired";
        resealed: "已重新加密", "sealed anew";
        looks_through: "正在处理", "looking through";
        node: "节点", "node";
        seen: "最近", "last seen";
        has: "拥有密钥", "has keys";
        keys: "主密钥", "master keys";
        nodes: "节点", "nodes";
    }
}
