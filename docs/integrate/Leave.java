// 推送一次离场、放行、变更, 或入场前查询 · Push a leave, a release, an update, or ask before entering (Java 11+, no libraries).
// java Leave.java URL PARK_UUID SECRET SERIAL PICTURE [leave|release|update|before]
import java.io.ByteArrayOutputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

public class Leave {
    /** 参数名升序, k=v 以 & 相连, 末尾 &app_secret=密钥, UTF-8, MD5 · sorted by name; files take no part. */
    static String sign(TreeMap<String, String> params, String secret) throws Exception {
        String text = params.entrySet().stream().map(e -> e.getKey() + "=" + e.getValue()).collect(Collectors.joining("&"));
        return md5((text + "&app_secret=" + secret).getBytes(StandardCharsets.UTF_8));
    }

    static String md5(byte[] bytes) throws Exception {
        StringBuilder hex = new StringBuilder();
        for (byte b : MessageDigest.getInstance("MD5").digest(bytes)) hex.append(String.format("%02X", b));
        return hex.toString();
    }

    static byte[] multipart(String boundary, Map<String, String> params, String file, byte[] content) throws Exception {
        ByteArrayOutputStream body = new ByteArrayOutputStream();
        for (Map.Entry<String, String> param : params.entrySet())
            body.write(("--" + boundary + "\r\nContent-Disposition: form-data; name=\"" + param.getKey() + "\"\r\n\r\n"
                + param.getValue() + "\r\n").getBytes(StandardCharsets.UTF_8));
        if (file != null) {
            body.write(("--" + boundary + "\r\nContent-Disposition: form-data; name=\"" + file + "\"; filename=\"car.jpg\"\r\n"
                + "Content-Type: application/octet-stream\r\n\r\n").getBytes(StandardCharsets.UTF_8));
            body.write(content);
            body.write("\r\n".getBytes(StandardCharsets.UTF_8));
        }
        body.write(("--" + boundary + "--\r\n").getBytes(StandardCharsets.UTF_8));
        return body.toByteArray();
    }

    /** A field of the reply; use the JSON library you have. */
    static String field(String reply, String name) {
        Matcher found = Pattern.compile("\"" + name + "\"\\s*:\\s*\"?((?:[^\"\\\\,}]|\\\\.)*)").matcher(reply);
        return found.find() ? found.group(1) : "";
    }

    static void leave(TreeMap<String, String> params, String serial, byte[] image) throws Exception {
        params.put("parking_serial", serial);
        params.put("plate", "粤B12345");
        params.put("plate_color", "1");
        params.put("enter_time", "1624874732253");
        params.put("leave_time", "1624937505093");
        params.put("car_type", "1");
        params.put("car_desc", "临停 A&B=C+D 100%");
        params.put("charge_type", "1");
        params.put("leave_gate", "西门出口");
        params.put("total_value", "1100");
        params.put("free_value", "100");
        params.put("online_value", "500");
        params.put("cash_value", "500");
        // 以发送的文本参与签名 · signed as the very text that is sent
        params.put("payment_list", "[{\"pay_origin_desc\":\"微信\",\"pay_type\":2,\"pay_time\":\"1624937505093\",\"value\":500,"
            + "\"free_value\":100,\"parking_order\":\"" + serial + "-1\"},{\"pay_origin_desc\":\"现金\",\"pay_type\":1,"
            + "\"operator\":\"张三\",\"pay_time\":\"1624937505093\",\"value\":500,\"parking_order\":\"" + serial
            + "-2\",\"change_value\":500}]");
        params.put("leave_image_hash", md5(image));
    }

    /** 人工放行: 图片与URL同一个字段, 没有哈希 · the picture is in the field of its URL, without a hash. */
    static void release(TreeMap<String, String> params, String serial) {
        params.put("release_type", "2");
        params.put("parking_serial", serial);
        params.put("plate", "粤B12345");
        params.put("plate_color", "1");
        params.put("release_time", "2021-06-29T03:31:40Z");
        params.put("gate_id", "2");
        params.put("gate_name", "西门出口");
        params.put("operator", "张三");
        params.put("reason", "道闸故障 A&B=C");
        params.put("release_method", "1");
    }

    /** 记录变更: 每次变更一个 flow_no, 重发不变 · a flow_no for each correction, the same in every retry. */
    static void update(TreeMap<String, String> params, String serial) {
        params.put("flow_no", serial + "-U1");
        params.put("parking_serial", serial);
        params.put("plate", "粤B54321");
        params.put("plate_color", "1");
        params.put("operate_time", "2021-06-29T04:00:00Z");
        params.put("operator", "张三");
        params.put("reason", "识别错误 A&B=C");
    }

    static void before(TreeMap<String, String> params) {
        params.put("plate", "粤B12345");
        params.put("plate_color", "1");
        params.put("gate_time", "1624874732253");
        params.put("gate_id", "1");
        params.put("gate_name", "东门入口");
    }

    /** 应答; 空: 稍后原样重发 · the reply; empty: keep the record and send it again, unchanged. */
    static String push(HttpClient client, String address, Map<String, String> params, String part, byte[] image, int seconds)
            throws Exception {
        String boundary = UUID.randomUUID().toString();
        HttpRequest request = HttpRequest.newBuilder(URI.create(address))
            .timeout(Duration.ofSeconds(seconds))
            .header("Content-Type", "multipart/form-data; boundary=" + boundary)
            .POST(HttpRequest.BodyPublishers.ofByteArray(multipart(boundary, params, part, image)))
            .build();
        try { // 非200也有应答体 · a 4xx or 5xx has a body, too
            return client.send(request, HttpResponse.BodyHandlers.ofString(StandardCharsets.UTF_8)).body();
        } catch (java.io.IOException error) {
            return "";
        }
    }

    public static void main(String[] args) throws Exception {
        String secret = args[2], serial = args[3], call = args.length > 5 ? args[5] : "leave", part = null;
        byte[] image = Files.readAllBytes(Path.of(args[4]));
        TreeMap<String, String> params = new TreeMap<>();
        params.put("park_uuid", args[1]);
        switch (call) {
            case "release": release(params, serial); part = "capture_image"; break;
            case "update": update(params, serial); break;
            case "before": before(params); break;
            default: leave(params, serial, image); part = "leave_image_file";
        }
        params.put("sign", sign(params, secret));

        String calls = args[0] + "/gate/1.0/parking/internal/";
        HttpClient client = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(10)).build();
        if (call.equals("before")) { // 不问第二次: 车在等 · asked once, a vehicle waits
            String reply = push(client, calls + "enter/before", params, null, null, 3);
            if (!field(reply, "code").equals("1001")) {
                System.out.println("平台未答, 车场自行判断 · no answer, decide locally: " + field(reply, "message") + " " + field(reply, "hint"));
                System.exit(4);
            }
            // 1 允许, 0 车场自行判断, -1 禁止 · may enter, decide locally, may not; status_desc is for the LED
            System.out.println("status " + field(reply, "status") + " " + field(reply, "status_desc"));
            System.exit(0);
        }
        for (int attempt = 0; attempt < 5; attempt++) {
            String reply = push(client, calls + call, params, part, image, 30);
            String code = field(reply, "code"), hint = field(reply, "hint");
            if (code.equals("200") || code.equals("1000") || code.equals("1001")) {
                System.out.println(field(reply, "message") + " " + field(reply, "seqno") + " " + hint);
                System.exit(hint.isEmpty() ? 0 : 5);
            }
            if (code.equals("400") || code.equals("401") || code.equals("403") || code.equals("404")) {
                System.out.println("被拒, 改好再发 · refused: " + hint);
                System.exit(3);
            }
            Thread.sleep(1000L << attempt);
        }
        System.out.println("平台暂不可用, 留待重发 · try later");
        System.exit(4);
    }
}
