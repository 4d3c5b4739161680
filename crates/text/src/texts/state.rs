//! Texts about the data folder, the store and the addresses.

texts! {
    /// Texts about the data folder, the store and the addresses.
    StateTexts {
        no_data(folder: &str): "没有数据目录 {folder}: 用 --data DIR 指定, 或先运行 `parkgate park add`", "no data folder {folder}: name it by --data DIR, or run `parkgate park add` first";
        key_made(path: &str):
        "已新建主密钥: {path}\n  密钥和身份信息由它加密, 丢失则无法读出: 请另行备份", "a master key was made: {path}\n  Secrets and ID data are sealed under it and cannot be read without it: keep a copy elsewhere";
        key_of_nodes: "  每个节点的数据目录都要有同一个文件", "  Every node on this database needs the same file in its data folder";
        data_folder(folder: &str): "数据目录 {folder}", "data folder {folder}";
        in_use(folder: &str): "数据目录 {folder} 正被另一个 parkgate serve 使用: 先停止它, 或用另一个 --data", "data folder {folder} is in use by another parkgate serve: stop it, or name another by --data";
        pictures(folder: &str): "图片目录 {folder}", "picture folder {folder}";
        bucket(url: &str): "{url}: 检查地址与 AWS_* 环境变量", "{url}: check the URL and the AWS_* variables";
        cannot_listen(address: &str): "不能监听 {address}: 端口是否被占用? 可试 --listen 127.0.0.1:0", "cannot listen on {address}: is another program using it? try --listen 127.0.0.1:0";
        cannot_listen_admin(address: &str): "不能监听管理地址 {address}: 端口是否被占用? 可试 --admin-listen 127.0.0.1:0 或 off", "cannot listen on the admin address {address}: is another program using it? try --admin-listen 127.0.0.1:0, or off";
        loopback_only: "--demo 只能监听本机地址: 它的密钥人人皆知", "--demo listens on a loopback address only: everybody knows its secret";
        stopping: "停止时出错", "while stopping";
        demo_ready: "\n演示停车场已就绪, 粘贴试试:\n", "\nThe demo park is ready, paste this:\n";
        demo_look: "\n然后查看:\n", "\nThen look at it:\n";
        settings(wrong: &str): "设置有误:\n  {wrong}", "the settings are wrong:\n  {wrong}";
        write_address(name: &str, given: &str, example: &str): "{name} = {given}: 应为地址和端口, 如 {example}", "{name} = {given}: write an address and a port, as in {example}";
        write_admin_address(given: &str, example: &str): "admin_listen = {given}: 应为地址和端口, 如 {example}, 或 off", "admin_listen = {given}: write an address and a port, as in {example}, or off";
        write_images(given: &str): "images = {given}: 应为目录, 或 s3://BUCKET/PREFIX", "images = {given}: write a folder, or s3://BUCKET/PREFIX";
        write_store(scheme: &str): "store = {scheme}:…: 应写成 sqlite:DIR 或 postgres://USER:PASSWORD@HOST/DATABASE", "store = {scheme}:…: write sqlite:DIR or postgres://USER:PASSWORD@HOST/DATABASE";
        unknown_setting(variable: &str, table: &str, known: &str): "{variable}: [{table}] 没有这个设置; 有 {known}", "{variable}: no such setting of [{table}]; there are {known}";
        longer_than_nothing: "须大于零", "must be longer than nothing";
        at_least_one: "至少为 1", "must be at least 1";
        at_most(max: usize): "最多为 {max}", "must be at most {max}";
        busy(why: &str): "存储正忙, 请稍后重试: {why}", "the store is busy, try again later: {why}";
        held(parks: usize): "存储正忙: 另一个写入者占用 {parks} 个停车场, 请稍后重试", "the store is busy: another writer holds {parks} park(s), try again later";
        full(why: &str): "磁盘已满: 先腾出空间 ({why})", "the disk is full: make room ({why})";
        away(why: &str): "连不上存储: 检查数据库是否运行、地址和口令 ({why})", "the store is away: check that the database runs, its address and password ({why})";
        unsynced(why: &str): "磁盘同步失败: 检查磁盘 ({why})", "the disk failed to sync: check the disk ({why})";
        exists(what: &str): "{what} 已存在", "{what} exists already";
        broken(why: &str): "存储有误: {why}", "the store is broken: {why}";
        not_found: "没有此文件或目录", "no such file or folder";
        denied: "没有权限", "permission denied";
        taken: "地址已被占用", "the address is in use";
        no_space: "磁盘已满", "the disk is full";
        read_only: "文件系统只读", "the file system is read-only";
        is_folder: "是目录, 不是文件", "it is a folder";
        refused: "连接被拒绝", "the connection was refused";
        key_unreadable(path: &str, why: &str): "不能读取主密钥 {path}: {why}", "the master key {path} cannot be read: {why}";
        key_not_hex(path: &str): "{path} 应为 64 个十六进制数字", "{path} must be 64 hex digits";
        key_exposed(path: &str): "{path} 可被其他用户读取: 运行 `chmod 600 {path}`", "{path} is readable by others: run `chmod 600 {path}`";
        cannot_seal(what: &str): "{what} 未能加密", "{what} could not be sealed";
        cannot_unseal(what: &str): "{what} 不能解密: 主密钥对吗?", "{what} cannot be opened: is this the right master key?";
        key_lost(path: &str, sealed: &str): "缺少 {path}, 而 {sealed} 由它加密: 从其他节点或备份复制, 或用 --data 指定有它的目录; 不会另建密钥", "{path} is missing, and {sealed} was sealed under it: copy it from a node or a backup, or name the folder that has it by --data; no other key is made";
    }
}
