<?php
// 推送一次离场、放行、变更, 或入场前查询 · Push a leave, a release, an update, or ask before entering (php-curl).
// php leave.php URL PARK_UUID SECRET SERIAL PICTURE [leave|release|update|before]
[, $url, $park_uuid, $secret, $serial, $picture] = $argv;
$call = $argv[6] ?? 'leave';
$payments = [
    ['pay_origin_desc' => '微信', 'pay_type' => 2, 'pay_time' => '1624937505093', 'value' => 500, 'free_value' => 100,
        'parking_order' => "$serial-1"],
    ['pay_origin_desc' => '现金', 'pay_type' => 1, 'operator' => '张三', 'pay_time' => '1624937505093', 'value' => 500,
        'parking_order' => "$serial-2", 'change_value' => 500],
];
$calls = [
    'leave' => [
        'parking_serial' => $serial, 'plate' => '粤B12345', 'plate_color' => '1',
        'enter_time' => '1624874732253', 'leave_time' => '1624937505093', 'car_type' => '1',
        'car_desc' => '临停 A&B=C+D 100%', 'charge_type' => '1', 'leave_gate' => '西门出口', 'total_value' => '1100', 'free_value' => '100',
        'online_value' => '500', 'cash_value' => '500',
        // 以发送的文本参与签名 · signed as the very text that is sent
        'payment_list' => json_encode($payments, JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES),
        'leave_image_hash' => strtoupper(md5_file($picture)),
    ],
    // 人工放行: 图片与URL同一个字段, 没有哈希 · the picture is in the field of its URL, without a hash
    'release' => [
        'release_type' => '2', 'parking_serial' => $serial, 'plate' => '粤B12345', 'plate_color' => '1',
        'release_time' => '2021-06-29T03:31:40Z', 'gate_id' => '2', 'gate_name' => '西门出口', 'operator' => '张三',
        'reason' => '道闸故障 A&B=C', 'release_method' => '1',
    ],
    // 记录变更: 每次变更一个 flow_no, 重发不变 · a flow_no for each correction, the same in every retry
    'update' => [
        'flow_no' => "$serial-U1", 'parking_serial' => $serial, 'plate' => '粤B54321', 'plate_color' => '1',
        'operate_time' => '2021-06-29T04:00:00Z', 'operator' => '张三', 'reason' => '识别错误 A&B=C',
    ],
    'enter/before' => [
        'plate' => '粤B12345', 'plate_color' => '1', 'gate_time' => '1624874732253', 'gate_id' => '1', 'gate_name' => '东门入口',
    ],
];
$files = ['leave' => 'leave_image_file', 'release' => 'capture_image'];

// 参数名升序, k=v 以 & 相连, 末尾 &app_secret=密钥, UTF-8, MD5 · sorted by name; files take no part.
function sign(array $params, string $secret): string
{
    ksort($params, SORT_STRING);
    $text = '';
    foreach ($params as $name => $value) {
        $text .= "$name=$value&";
    }
    return strtoupper(md5($text . "app_secret=$secret"));
}

// 应答; null: 稍后原样重发 · the reply; null: keep the record and send it again, unchanged
function push(string $url, array $fields, int $timeout): ?array
{
    $curl = curl_init($url);
    curl_setopt_array($curl, [CURLOPT_POSTFIELDS => $fields, CURLOPT_RETURNTRANSFER => true, CURLOPT_TIMEOUT => $timeout]);
    $body = curl_exec($curl); // 非200也有应答体 · a 4xx or 5xx has a body, too
    return is_string($body) ? json_decode($body, true) : null;
}

$path = $call === 'before' ? 'enter/before' : $call;
$fields = ['park_uuid' => $park_uuid] + $calls[$path];
$fields['sign'] = sign($fields, $secret);
if (isset($files[$call])) {
    $fields[$files[$call]] = new CURLFile($picture, 'application/octet-stream', 'car.jpg');
}
$address = "$url/gate/1.0/parking/internal/$path";
if ($call === 'before') {
    // 不问第二次: 车在等 · asked once, a vehicle waits
    $reply = push($address, $fields, 3);
    if ((string) ($reply['code'] ?? '') !== '1001') {
        echo '平台未答, 车场自行判断 · no answer, decide locally: ' . ($reply['hint'] ?? $reply['message'] ?? '') . "\n";
        exit(4);
    }
    // 1 允许, 0 车场自行判断, -1 禁止 · may enter, decide locally, may not; status_desc is for the LED
    echo 'status ' . ($reply['status'] ?? '0') . ' ' . ($reply['status_desc'] ?? '') . "\n";
    exit(0);
}
for ($attempt = 0; $attempt < 5; $attempt++) {
    $reply = push($address, $fields, 30);
    $code = (string) ($reply['code'] ?? '');
    $hint = $reply['hint'] ?? '';
    if (in_array($code, ['200', '1000', '1001'], true)) {
        echo "{$reply['message']} {$reply['seqno']} $hint\n";
        exit($hint === '' ? 0 : 5);
    }
    if (in_array($code, ['400', '401', '403', '404'], true)) {
        echo "被拒, 改好再发 · refused: $hint\n";
        exit(3);
    }
    sleep(2 ** $attempt);
}
echo "平台暂不可用, 留待重发 · try later\n";
exit(4);
