//! Texts of `config`.

texts! {
    /// Texts of `config`.
    ConfigTexts {
        about: "检查和查看设置", "Check and show the settings";
        check_about: "检查设置, 一次指出全部错误", "Check the settings: all that is wrong at once";
        check_notes: "有错误时退出码为2。请以运行平台的用户执行, 例如 sudo -u parkgate parkgate config check。", "Exit code 2 if anything is wrong. Run it as the user that runs the gate: sudo -u parkgate parkgate config check.";
        show_about: "显示每项设置的实际取值及其来源", "Show each setting as it is meant, and where its value comes from";
        show_notes: "密码不显示。", "Passwords are not shown.";
        good: "设置无误", "The settings are in order";
        wrong: "设置有误:", "The settings are wrong:";
        unknown_variable(name: &str): "注意: 环境变量 {name} 不是任何设置, 已忽略", "note: the variable {name} is no setting and is ignored";
        same_address(address: &str): "listen 和 admin_listen 相同: {address}", "listen and admin_listen are the same: {address}";
        unwritable(folder: &str, error: &str): "不能写入文件夹 {folder}: {error}。让运行 parkgate 的用户可以写入它", "nothing can be written to the folder {folder}: {error}. Let the user that runs parkgate write there";
        not_a_folder(path: &str): "{path} 不是文件夹", "{path} is no folder";
        may_not_read(path: &str): "不能读取 {path}: 请以 parkgate 用户执行 (sudo -u parkgate parkgate …), 或用 --config 指定另一个文件", "cannot read {path}: run this as its user (sudo -u parkgate parkgate …), or name another file by --config";
        of_flag(flag: &str): "参数 {flag}", "flag {flag}";
        of_variable(name: &str): "变量 {name}", "variable {name}";
        of_default: "默认值", "default";
        not_set: "未设置", "not set";
    }
}
