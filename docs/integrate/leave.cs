// 推送一次离场、放行、变更, 或入场前查询 · Push a leave, a release, an update, or ask before entering (.NET 5+, or Mono).
// leave.exe URL PARK_UUID SECRET SERIAL PICTURE [leave|release|update|before]
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Net.Http;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using System.Threading;

class Leave
{
    // 参数名升序, k=v 以 & 相连, 末尾 &app_secret=密钥, UTF-8, MD5 · sorted by name; files take no part.
    static string Sign(SortedDictionary<string, string> parameters, string secret)
    {
        string text = string.Join("&", parameters.Select(p => p.Key + "=" + p.Value)) + "&app_secret=" + secret;
        return Md5(Encoding.UTF8.GetBytes(text));
    }

    static string Md5(byte[] bytes)
    {
        using (MD5 md5 = MD5.Create()) return BitConverter.ToString(md5.ComputeHash(bytes)).Replace("-", "");
    }

    // A field of the reply; use the JSON library you have.
    static string Field(string reply, string name)
    {
        return Regex.Match(reply, "\"" + name + "\"\\s*:\\s*\"?((?:[^\"\\\\,}]|\\\\.)*)").Groups[1].Value;
    }

    static Dictionary<string, string> ParametersOf(string call, string serial, byte[] image)
    {
        // 人工放行: 图片与URL同一个字段, 没有哈希 · the picture is in the field of its URL, without a hash
        if (call == "release") return new Dictionary<string, string>
        {
            { "release_type", "2" }, { "parking_serial", serial }, { "plate", "粤B12345" }, { "plate_color", "1" },
            { "release_time", "2021-06-29T03:31:40Z" }, { "gate_id", "2" }, { "gate_name", "西门出口" },
            { "operator", "张三" }, { "reason", "道闸故障 A&B=C" }, { "release_method", "1" },
        };
        // 记录变更: 每次变更一个 flow_no, 重发不变 · a flow_no for each correction, the same in every retry
        if (call == "update") return new Dictionary<string, string>
        {
            { "flow_no", serial + "-U1" }, { "parking_serial", serial }, { "plate", "粤B54321" }, { "plate_color", "1" },
            { "operate_time", "2021-06-29T04:00:00Z" }, { "operator", "张三" }, { "reason", "识别错误 A&B=C" },
        };
        if (call == "before") return new Dictionary<string, string>
        {
            { "plate", "粤B12345" }, { "plate_color", "1" }, { "gate_time", "1624874732253" }, { "gate_id", "1" },
            { "gate_name", "东门入口" },
        };
        return new Dictionary<string, string>
        {
            { "parking_serial", serial }, { "plate", "粤B12345" }, { "plate_color", "1" },
            { "enter_time", "1624874732253" }, { "leave_time", "1624937505093" }, { "car_type", "1" },
            { "car_desc", "临停 A&B=C+D 100%" }, { "charge_type", "1" }, { "leave_gate", "西门出口" }, { "total_value", "1100" },
            { "free_value", "100" }, { "online_value", "500" }, { "cash_value", "500" },
            // 以发送的文本参与签名 · signed as the very text that is sent
            { "payment_list", "[{\"pay_origin_desc\":\"微信\",\"pay_type\":2,\"pay_time\":\"1624937505093\",\"value\":500,"
                + "\"free_value\":100,\"parking_order\":\"" + serial + "-1\"},{\"pay_origin_desc\":\"现金\",\"pay_type\":1,"
                + "\"operator\":\"张三\",\"pay_time\":\"1624937505093\",\"value\":500,\"parking_order\":\"" + serial
                + "-2\",\"change_value\":500}]" },
            { "leave_image_hash", Md5(image) },
        };
    }

    // 不问第二次: 车在等 · asked once, a vehicle waits
    static int Ask(string address, SortedDictionary<string, string> parameters)
    {
        string reply = Push(new HttpClient { Timeout = TimeSpan.FromSeconds(3) }, address, parameters, null, null);
        if (Field(reply, "code") != "1001")
        {
            Console.WriteLine("平台未答, 车场自行判断 · no answer, decide locally: " + Field(reply, "message") + " " + Field(reply, "hint"));
            return 4;
        }
        // 1 允许, 0 车场自行判断, -1 禁止 · may enter, decide locally, may not; status_desc is for the LED
        Console.WriteLine("status " + Field(reply, "status") + " " + Field(reply, "status_desc"));
        return 0;
    }

    static int Main(string[] args)
    {
        string secret = args[2], serial = args[3], call = args.Length > 5 ? args[5] : "leave";
        byte[] image = File.ReadAllBytes(args[4]);
        string part = call == "release" ? "capture_image" : call == "leave" ? "leave_image_file" : null;
        // 按字节序排序, 不按语言习惯 · by byte, not by a culture's habits
        var parameters = new SortedDictionary<string, string>(ParametersOf(call, serial, image), StringComparer.Ordinal);
        parameters["park_uuid"] = args[1];
        parameters["sign"] = Sign(parameters, secret);

        string calls = args[0] + "/gate/1.0/parking/internal/";
        if (call == "before") return Ask(calls + "enter/before", parameters);
        var client = new HttpClient { Timeout = TimeSpan.FromSeconds(30) };
        for (int attempt = 0; attempt < 5; attempt++)
        {
            string reply = Push(client, calls + call, parameters, part, image);
            string code = Field(reply, "code"), hint = Field(reply, "hint");
            if (code == "200" || code == "1000" || code == "1001")
            {
                Console.WriteLine(Field(reply, "message") + " " + Field(reply, "seqno") + " " + hint);
                return hint == "" ? 0 : 5;
            }
            if (code == "400" || code == "401" || code == "403" || code == "404")
            {
                Console.WriteLine("被拒, 改好再发 · refused: " + hint);
                return 3;
            }
            Thread.Sleep(1000 << attempt);
        }
        Console.WriteLine("平台暂不可用, 留待重发 · try later");
        return 4;
    }

    // 应答; 空: 稍后原样重发 · the reply; empty: keep the record and send it again, unchanged
    static string Push(HttpClient client, string address, SortedDictionary<string, string> parameters, string part, byte[] image)
    {
        var form = new MultipartFormDataContent();
        foreach (var parameter in parameters)
            form.Add(new StringContent(parameter.Value, Encoding.UTF8), "\"" + parameter.Key + "\"");
        if (part != null)
        {
            var file = new ByteArrayContent(image);
            file.Headers.ContentType = new MediaTypeHeaderValue("application/octet-stream");
            form.Add(file, "\"" + part + "\"", "\"car.jpg\"");
        }
        try
        {
            // 非200也有应答体 · a 4xx or 5xx has a body, too
            var answer = client.PostAsync(address, form).Result;
            return Encoding.UTF8.GetString(answer.Content.ReadAsByteArrayAsync().Result);
        }
        catch (AggregateException)
        {
            return "";
        }
    }
}
