//! Texts of the commands about the program itself.

texts! {
    /// Texts of `completions`, `man` and `health`.
    ProgramTexts {
        completions_about: "输出命令行补全脚本", "Print completions for a shell";
        shell_help: "哪种shell", "Which shell";
        man_about: "输出手册页", "Print the man page";
        out_help: "每个命令各写一页到此文件夹", "Write a page for each command into this folder";
        written(count: usize, folder: &str): "已写入 {count} 页: {folder}", "{count} pages were written to {folder}";
        health_about: "询问正在运行的平台能否接收推送", "Ask a running gate whether it takes pushes";
        health_notes: "能接收时退出码为0, 否则为1。地址取自设置; 不核对证书, 只用于本机检查 (容器的健康检查等)。", "Exit code 0 if it does, else 1. The address is that of the settings. The certificate is not verified: this is for checks on the same machine, such as a container's.";
        url_help: "平台的根地址 [默认: 设置中的listen]", "Root URL of the gate [default: listen of the settings]";
        ready: "就绪", "ready";
        not_ready(url: &str, status: u16): "{url}: 未就绪 (HTTP {status}), 原因见管理地址的 /readyz 和日志", "{url}: not ready (HTTP {status}); /readyz of the admin address and the log say why";
        no_answer(url: &str, error: &str): "{url}: 没有应答: {error}", "{url}: no answer: {error}";
        free_port: "listen 的端口为0: 用 --url 指定平台的地址", "listen has port 0: name the gate by --url";
    }
}
