import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.HttpURLConnection;
import java.net.URL;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * As a client in the field pushes: urlencoded forms, null and empty values in the form yet not in the sign, an app_id without
 * api_type, plate_color always -1, pay_value in place of the documented amounts; a 4xx loses its body; an update has succeeded
 * only by 1001.
 */
public class PushByForm {
    static final String CALLS = "/gate/1.0/parking/internal/";
    final String url, park, secret;

    PushByForm(String[] args) {
        url = args[0];
        park = args[1];
        secret = args[2];
    }

    static String sign(Map<String, String> form, String secret) throws Exception {
        StringBuilder text = new StringBuilder();
        for (Map.Entry<String, String> field : new TreeMap<>(form).entrySet()) {
            if (field.getValue() == null || field.getValue().isEmpty() || field.getKey().equals("sign")) continue;
            text.append(field.getKey()).append('=').append(field.getValue()).append('&');
        }
        text.append("app_secret=").append(secret);
        StringBuilder hex = new StringBuilder();
        for (byte b : MessageDigest.getInstance("MD5").digest(text.toString().getBytes(StandardCharsets.UTF_8)))
            hex.append(String.format("%02X", b));
        return hex.toString();
    }

    /** As FormHttpMessageConverter writes it: a null is a name without `=`. */
    static String encoded(Map<String, String> form) throws Exception {
        StringBuilder body = new StringBuilder();
        for (Map.Entry<String, String> field : form.entrySet()) {
            if (body.length() > 0) body.append('&');
            body.append(URLEncoder.encode(field.getKey(), "UTF-8"));
            if (field.getValue() != null) body.append('=').append(URLEncoder.encode(field.getValue(), "UTF-8"));
        }
        return body.toString();
    }

    /** The body of a 200; anything else throws, as RestTemplate does. */
    String post(String call, Map<String, String> form) throws Exception {
        HttpURLConnection line = (HttpURLConnection) new URL(url + CALLS + call).openConnection();
        line.setRequestMethod("POST");
        line.setDoOutput(true);
        line.setRequestProperty("Content-Type", "application/x-www-form-urlencoded");
        try (OutputStream out = line.getOutputStream()) {
            out.write(encoded(form).getBytes(StandardCharsets.UTF_8));
        }
        if (line.getResponseCode() >= 400) throw new IOException("HTTP " + line.getResponseCode());
        try (InputStream in = line.getInputStream()) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    void push(String call, Map<String, String> fields, String... success) throws Exception {
        Map<String, String> form = new LinkedHashMap<>(fields);
        form.put("app_id", "op1");
        form.put("park_uuid", park);
        form.put("sign", sign(form, secret));
        boolean isTaken = false;
        String reply = "";
        try {
            reply = post(call, form);
            Matcher code = Pattern.compile("\"code\"\\s*:\\s*\"?(\\d+)").matcher(reply);
            isTaken = code.find() && java.util.Arrays.asList(success).contains(code.group(1));
        } catch (IOException error) {
            reply = error.getMessage();
        }
        System.out.println(call + " " + (isTaken ? "taken" : "failed") + " " + reply);
    }

    static Map<String, String> stay(String serial) {
        Map<String, String> form = new LinkedHashMap<>();
        form.put("parking_serial", serial);
        form.put("plate", "粤B12345");
        form.put("plate_color", "-1");
        form.put("car_type", "1");
        form.put("car_desc", "临时车");
        form.put("charge_type", "1");
        form.put("enter_time", 1624874732L * 1000 + "");
        form.put("enter_image", null);
        form.put("card_no", "");
        return form;
    }

    static Map<String, String> update(String serial, String flowNo, String plate) {
        Map<String, String> form = new LinkedHashMap<>();
        form.put("flow_no", flowNo);
        form.put("parking_serial", serial);
        form.put("plate", plate);
        form.put("plate_color", "-1");
        form.put("car_type", null);
        form.put("car_desc", "");
        form.put("enter_time", "2021-06-28T10:00:00Z");
        form.put("leave_time", null);
        form.put("operate_time", "2021-06-29T04:00:00Z");
        form.put("operator", "管理员");
        form.put("reason", "车牌识别错误 & 时间不准");
        return form;
    }

    public static void main(String[] args) throws Exception {
        PushByForm client = new PushByForm(args);
        Map<String, String> leave = stay("1001");
        leave.put("leave_time", 1624937505L * 1000 + "");
        leave.put("pay_value", "500");
        leave.put("total_value", "500");
        client.push("enter", stay("1001"), "200", "1000", "1001");
        client.push("leave", leave, "200", "1000", "1001");
        client.push("update", update("1001", "7001", "粤B54321"), "1001");
        client.push("update", update("1001", "7001", "粤B54321"), "1001");
    }
}
