<?php
// 推送一次车辆离场 · Push one leave (php-curl).  php leave.php URL PARK_UUID SECRET SERIAL PICTURE
[, $url, $park_uuid, $secret, $serial, $picture] = $argv;
$payments = [
    ['pay_origin_desc' => '微信', 'pay_type' => 2, 'pay_time' => '1624937505093', 'value' => 500, 'free_value' => 100,
        'parking_order' => "$serial-1"],
    ['pay_origin_desc' => '现金', 'pay_type' => 1, 'operator' => '张三', 'pay_time' => '1624937505093', 'value' => 500,
        'parking_order' => "$serial-2", 'change_value' => 500],
];
$params = [
    'park_uuid' => $park_uuid, 'parking_serial' => $serial, 'plate' => '粤B12345', 'plate_color' => '1',
    'enter_time' => '1624874732253', 'leave_time' => '1624937505093', 'car_type' => '1',
    'car_desc' => '临停 A&B=C+D 100%', 'charge_type' => '1', 'leave_gate' => '西门出口', 'total_value' => '1100', 'free_value' => '100',
    'online_value' => '500', 'cash_value' => '500',
    // 以发送的文本参与签名 · signed as the very text that is sent
    'payment_list' => json_encode($payments, JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES),
    'leave_image_hash' => strtoupper(md5_file($picture)),
];

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
function push(string $url, array $fields): ?array
{
    $curl = curl_init("$url/gate/1.0/parking/internal/leave");
    curl_setopt_array($curl, [CURLOPT_POSTFIELDS => $fields, CURLOPT_RETURNTRANSFER => true, CURLOPT_TIMEOUT => 30]);
    $body = curl_exec($curl); // 非200也有应答体 · a 4xx or 5xx has a body, too
    return is_string($body) ? json_decode($body, true) : null;
}

$params['sign'] = sign($params, $secret);
$fields = $params + ['leave_image_file' => new CURLFile($picture, 'application/octet-stream', 'car.jpg')];
for ($attempt = 0; $attempt < 5; $attempt++) {
    $reply = push($url, $fields);
    $code = (string) ($reply['code'] ?? '');
    $hint = $reply['hint'] ?? '';
    if (in_array($code, ['200', '1000', '1001'], true)) {
        echo "{$reply['message']} {$reply['seqno']} $hint\n";
        exit($hint === '' ? 0 : 5);
    }
    if (in_array($code, ['400', '401', '403'], true)) {
        echo "被拒, 改好再发 · refused: $hint\n";
        exit(3);
    }
    sleep(2 ** $attempt);
}
echo "平台暂不可用, 留待重发 · try later\n";
exit(4);
