//! Texts of `serve`.

texts! {
    /// Texts of `serve`.
    ServeTexts {
        listen: "监听地址; 端口 0 取空闲端口 [默认: 127.0.0.1:8080]", "Address to listen on; port 0 takes a free one [default: 127.0.0.1:8080]";
        admin_listen: "管理地址, 协议以外的一切: /metrics 和详细的 /readyz; `off` 为不监听 [默认: 127.0.0.1:8081, 被占用则取空闲端口]", "Separate address for everything but the protocol: /metrics and /readyz in detail; `off` for none [default: 127.0.0.1:8081, or a free port if that is taken]";
        images: "图片目录, 或 s3://BUCKET/PREFIX 并设通常的 AWS_* 变量 [默认: 数据目录下的 images]", "Folder of the pictures, or s3://BUCKET/PREFIX with the usual AWS_* variables [default: DATA/images]";
        node: "节点名, 即应答中的 `data_node` [默认: 主机名]", "Name of this node, `data_node` of every reply [default: the host's name]";
        demo: "建立协议文档中的停车场, 并打印一行可试的 curl (仅限本机地址)", "Make the document's park and print a curl line to try (loopback only)";
        verify_only: "只解码和验签, 不记录: 供 bench/ 测量上限", "Decode and verify, record nothing: the ceiling that bench/ measures against";
    }
}
