import java.io.File;
import java.nio.charset.Charset;
import java.nio.file.Files;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.http.HttpResponse;
import org.apache.http.client.methods.HttpPost;
import org.apache.http.entity.ContentType;
import org.apache.http.entity.mime.HttpMultipartMode;
import org.apache.http.entity.mime.MultipartEntityBuilder;
import org.apache.http.entity.mime.content.StringBody;
import org.apache.http.impl.client.HttpClients;
import org.apache.http.protocol.HTTP;
import org.apache.http.util.EntityUtils;

/** The leave sample of leave.md: TreeMap, MD5 upper case, HttpMime in browser-compatible mode, the file last. */
public class TestLeave {
    static String md5(byte[] bytes) throws Exception {
        StringBuilder hex = new StringBuilder();
        for (byte b : MessageDigest.getInstance("MD5").digest(bytes)) hex.append(String.format("%02X", b));
        return hex.toString();
    }

    static String payment(String desc, int type, String operator, long time, int free, String order, int change) {
        return "{\"change_value\":\"" + change + "\",\"free_value\":" + free + ",\"operator\":\"" + operator
            + "\",\"parking_order\":\"" + order + "\",\"pay_origin_desc\":\"" + desc + "\",\"pay_time\":\"" + time
            + "\",\"pay_type\":\"" + type + "\",\"value\":500}";
    }

    public static void main(String[] args) throws Exception {
        File file = new File(args[2]);
        long now = System.currentTimeMillis();
        TreeMap<String, String> map = new TreeMap<>();
        map.put("park_uuid", args[1]);
        map.put("parking_serial", "202106028000000007");
        map.put("plate", "粤X44444");
        map.put("plate_color", "1");
        map.put("enter_time", 1624874792253L - 1000 * 60 * 1 + "");
        map.put("leave_image", "https://t7.baidu.com/it/u=1595072465,3644073269&fm=193&f=GIF");
        map.put("leave_gate", "出口名称");
        map.put("leave_security", "出口保安");
        map.put("car_type", "1");
        map.put("car_desc", "临时车");
        map.put("car_color", "1");
        map.put("vehicle_type", "1");
        map.put("leave_release_reason", "离场人工放行原因");
        map.put("total_parking_space", "100");
        map.put("remain_parking_space", "10");
        map.put("leave_image_hash", md5(Files.readAllBytes(file.toPath())));
        map.put("leave_time", now + "");
        List<String> payments = new ArrayList<>();
        payments.add(payment("现金", 1, "张三", now, 100, now + "", 500));
        payments.add(payment("在线支付", 2, "", now, 100, now + 100 + "", 0));
        payments.add(payment("储值卡余额支付", 4, "", now, 0, now + 100 + "", 0));
        map.put("payment_list", "[" + String.join(",", payments) + "]");
        StringBuilder builder = new StringBuilder();
        for (String key : map.keySet()) builder.append(key + "=" + map.get(key) + "&");
        String sign = md5((builder + "app_secret=123").getBytes("UTF-8"));
        MultipartEntityBuilder form = MultipartEntityBuilder.create()
            .setMode(HttpMultipartMode.BROWSER_COMPATIBLE)
            .setCharset(Charset.forName("utf-8"));
        for (Map.Entry<String, String> entry : map.entrySet()) {
            ContentType contentType = ContentType.create(HTTP.PLAIN_TEXT_TYPE, HTTP.UTF_8);
            form.addPart(entry.getKey(), new StringBody(entry.getValue(), contentType));
        }
        form.addTextBody("sign", sign);
        form.addBinaryBody("leave_image_file", file);
        HttpPost post = new HttpPost(args[0] + "/gate/1.0/parking/internal/leave");
        post.setEntity(form.build());
        HttpResponse response = HttpClients.createDefault().execute(post);
        System.out.println(response.getStatusLine());
        System.out.println(EntityUtils.toString(response.getEntity(), "utf-8"));
    }
}
