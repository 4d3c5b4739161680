//! What the car park's half says: its page, its checks, its local address.

texts! {
    /// What the car park's half says: its page, its checks, its local address.
    AgentHalfTexts {
        title: "车场代理", "parkgate agent";
        queued: "待发", "queued";
        oldest: "最早的已等", "oldest waits";
        sent: "已发", "sent";
        last_minute: "上一分钟", "last minute";
        hinted: "带提示", "with a hint";
        dead: "被拒", "refused";
        held: "暂扣", "held";
        left_out: "未带图片", "pictures left out";
        last_hint: "最近提示", "last hint";
        last_error: "最近故障", "last error";
        problem: "待处理", "to be fixed";
        dead_letters: "被拒与暂扣", "Refused and held";
        pictures(dropped: u64, too_large: u64, missing: u64): "空间不足 {dropped}, 过大 {too_large}, 缺失 {missing}", "no room {dropped}, too large {too_large}, missing {missing}";
        seconds(n: u64): "{n}秒", "{n}s";
        cannot_resolve(host: &str, error: &str): "域名 `{host}` 无法解析: 检查 [platform] url 与本机 DNS ({error})", "`{host}` cannot be resolved: check [platform] url and this machine's DNS ({error})";
        resolving_timed_out(host: &str): "域名 `{host}` 解析超时: 检查本机 DNS", "no answer from the name server about `{host}`: check this machine's DNS";
        cannot_connect(to: &str, error: &str): "{to} 连不上: 检查地址、端口与防火墙 ({error})", "cannot connect to {to}: check the address, the port and firewalls ({error})";
        connecting_timed_out(to: &str, seconds: u64): "{to} 连接超时 ({seconds} 秒): 检查防火墙与代理", "no answer from {to} within {seconds}s: check firewalls and proxies";
        no_protocol(reason: &str): "不是本协议的应答: 检查 [platform] url ({reason})", "no reply of the protocol from this address: check [platform] url ({reason})";
        not_let_in(reason: &str): "{reason}: 检查 park_uuid 与 app_id", "{reason}: check park_uuid and app_id";
        wrong_signature(reason: &str): "签名不符, 检查 [platform] secret: {reason}", "the signature is wrong, check [platform] secret: {reason}";
        right_signature: "签名通过", "the signature is right";
        clock_right: "与平台一致", "as the platform's";
        clock_fast(off: &str): "本机时钟快约 {off}: 请校时", "this clock is about {off} ahead of the platform's: set it right";
        clock_slow(off: &str): "本机时钟慢约 {off}: 请校时", "this clock is about {off} behind the platform's: set it right";
        denied_signature: "平台报签名错误: 检查 [platform] secret, 见 agent check; 记录都保留", "the platform finds the signature wrong: check [platform] secret, see `agent check`; records are kept";
        denied_access: "平台拦截本车场: 检查 park_uuid 与 app_id, 见 agent check; 记录都保留", "the platform does not let this car park in: check park_uuid and app_id, see `agent check`; records are kept";
        denied_blocked: "平台之前的代理或防火墙拦截, 或地址有误: 检查 [platform] url, 联系平台; 记录都保留", "blocked before the platform, or a wrong address: check [platform] url, ask the platform; records are kept";
        full(waiting: u64): "发件箱已满: {waiting} 条待发", "the outbox is full: {waiting} records wait";
        taken(what: &str): "{what}已有不同内容的记录", "{what}: another record has this serial or number";
        serial(serial: &str): "流水`{serial}`", "serial `{serial}`";
        release_of(serial: &str): "流水`{serial}`的放行", "release of serial `{serial}`";
        update_of(flow_no: &str): "变更流水`{flow_no}`", "update `{flow_no}`";
        folder_taken(folder: &str): "{folder}: 已有代理在用此目录", "{folder}: another agent runs on this folder";
        picture_name(part: &str): "`{part}`: 图片字段名应为小写字母、数字与下划线", "`{part}`: a picture's name is of a-z, 0-9 and _";
        missing(name: &str): "参数`{name}`未传递", "parameter `{name}` is missing";
        write_millis(name: &str, text: &str): "参数`{name}`应为13位毫秒时间戳, 收到`{text}`", "parameter `{name}`: write 13-digit milliseconds, not `{text}`";
        write_iso(name: &str, text: &str): "参数`{name}`应为UTC时间如2023-03-27T08:00:00Z, 收到`{text}`", "parameter `{name}`: write UTC such as 2023-03-27T08:00:00Z, not `{text}`";
        write_list: "参数`payment_list`应为JSON数组", "parameter `payment_list`: write a JSON array of objects";
        not_utf8(error: &str): "文件应为UTF-8编码: {error}", "the file is not UTF-8: {error}";
        unknown_call(call: &str): "call = {call}: 应为 enter、leave、release 或 update", "call = {call}: write enter, leave, release or update";
        both_numbers(error: &str):
        "应为 {{\"total_parking_space\": 100, \"remain_parking_space\": 10}}: {error}", "send both numbers, as in {{\"total_parking_space\": 100, \"remain_parking_space\": 10}}: {error}";
        write_object(error: &str): "应为JSON对象, 或multipart: {error}", "send a JSON object, or multipart: {error}";
        pictures_by_multipart(part: &str): "`{part}`: 图片请用multipart上传", "`{part}`: send pictures by multipart";
        not_this_host(host: &str): "Host`{host}`不是本机地址: 用 127.0.0.1 或监听地址, 或在代理配置 hosts 中列出", "Host `{host}` is none of this machine: use 127.0.0.1 or the address it listens on, or name it in `hosts`";
        other_site: "不接受其它网页的请求", "a web page of another site may not use the agent";
        no_token: "缺少令牌: 请求头加 Authorization: Bearer TOKEN, 即代理配置的 token", "the token of the agent's file is needed: send Authorization: Bearer TOKEN";
        content_type(sent: &str): "Content-Type`{sent}`: JSON请用 application/json, 带图片用 multipart/form-data", "Content-Type `{sent}`: send JSON as application/json, pictures as multipart/form-data";
        empty_token: "token = \"\": 应有内容, 或不写", "token = \"\": write one, or leave it out";
        one_secret: "[platform] 应有 secret 或 secret_file 之一", "[platform]: write one of secret and secret_file";
        more_than_nothing(name: &str, text: &str): "{name} = `{text}`: 应大于0", "{name} = `{text}`: write more than 0";
        concurrency: "concurrency = 0: 至少为 1", "concurrency = 0: must be at least 1";
    }
}
