"""推送一次离场、放行、变更, 或入场前查询 · Push a leave, a release, an update, or ask before entering.

python3 leave.py URL PARK_UUID SECRET SERIAL PICTURE [leave|release|update|before]
"""
import hashlib
import json
import sys
import time
import urllib.error
import urllib.request
import uuid

url, park_uuid, secret, serial, picture = sys.argv[1:6]
call = sys.argv[6] if len(sys.argv) > 6 else "leave"
with open(picture, "rb") as file:
    image = file.read()


def leave():
    payments = [
        {"pay_origin_desc": "微信", "pay_type": 2, "pay_time": "1624937505093", "value": 500, "free_value": 100,
         "parking_order": f"{serial}-1"},
        {"pay_origin_desc": "现金", "pay_type": 1, "operator": "张三", "pay_time": "1624937505093", "value": 500,
         "parking_order": f"{serial}-2", "change_value": 500},
    ]
    params = {
        "parking_serial": serial, "plate": "粤B12345", "plate_color": "1", "enter_time": "1624874732253",
        "leave_time": "1624937505093", "car_type": "1", "car_desc": "临停 A&B=C+D 100%", "charge_type": "1",
        "leave_gate": "西门出口", "total_value": "1100", "free_value": "100", "online_value": "500", "cash_value": "500",
        # 以发送的文本参与签名 · signed as the very text that is sent
        "payment_list": json.dumps(payments, ensure_ascii=False, separators=(",", ":")),
        "leave_image_hash": hashlib.md5(image).hexdigest().upper(),
    }
    return params, {"leave_image_file": image}


def release():
    """人工放行: 图片与URL同一个字段, 没有哈希 · the picture is in the field of its URL, without a hash."""
    params = {
        "release_type": "2", "parking_serial": serial, "plate": "粤B12345", "plate_color": "1",
        "release_time": "2021-06-29T03:31:40Z", "gate_id": "2", "gate_name": "西门出口", "operator": "张三",
        "reason": "道闸故障 A&B=C", "release_method": "1",
    }
    return params, {"capture_image": image}


def update():
    """记录变更: 每次变更一个 flow_no, 重发不变 · a flow_no for each correction, the same in every retry."""
    params = {
        "flow_no": f"{serial}-U1", "parking_serial": serial, "plate": "粤B54321", "plate_color": "1",
        "operate_time": "2021-06-29T04:00:00Z", "operator": "张三", "reason": "识别错误 A&B=C",
    }
    return params, {}


def before():
    params = {
        "plate": "粤B12345", "plate_color": "1", "gate_time": "1624874732253", "gate_id": "1", "gate_name": "东门入口",
    }
    return params, {}


def sign(params, secret):
    """参数名升序, k=v 以 & 相连, 末尾 &app_secret=密钥, UTF-8, MD5 · sorted by name; files take no part."""
    text = "&".join(f"{name}={params[name]}" for name in sorted(params)) + f"&app_secret={secret}"
    return hashlib.md5(text.encode("utf-8")).hexdigest().upper()


def multipart(params, files):
    boundary = uuid.uuid4().hex
    body = b""
    for name, value in params.items():
        body += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
    for name, content in files.items():
        body += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="car.jpg"\r\n'.encode()
        body += b"Content-Type: application/octet-stream\r\n\r\n" + content + b"\r\n"
    return f"multipart/form-data; boundary={boundary}", body + f"--{boundary}--\r\n".encode()


def push(path, params, files, timeout):
    """应答 · the reply; None: 稍后原样重发 · keep the record and send it again, unchanged."""
    params = {"park_uuid": park_uuid, **params}
    content_type, body = multipart({**params, "sign": sign(params, secret)}, files)
    request = urllib.request.Request(url + "/gate/1.0/parking/internal/" + path, body, {"Content-Type": content_type})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:  # 非200也有应答体 · a 4xx or 5xx has a body, too
        try:
            return json.load(error)
        except ValueError:
            return None
    except (OSError, ValueError):
        return None


def ask():
    """不问第二次: 车在等 · asked once, a vehicle waits."""
    reply = push("enter/before", *before(), timeout=3) or {}
    if str(reply.get("code")) != "1001":
        print("平台未答, 车场自行判断 · no answer, decide locally:", reply.get("hint") or reply.get("message"))
        sys.exit(4)
    # 1 允许, 0 车场自行判断, -1 禁止 · may enter, decide locally, may not; status_desc is for the LED
    print("status", reply.get("status", "0"), reply.get("status_desc", ""))
    sys.exit(0)


if call == "before":
    ask()
params, files = {"leave": leave, "release": release, "update": update}[call]()
for attempt in range(5):
    reply = push(call, params, files, timeout=30)
    code = str(reply.get("code")) if reply else ""
    if code in ("200", "1000", "1001"):
        print(reply["message"], reply["seqno"], reply.get("hint", ""))
        sys.exit(5 if reply.get("hint") else 0)
    if code in ("400", "401", "403", "404"):
        print("被拒, 改好再发 · refused:", reply.get("hint") or reply["message"])
        sys.exit(3)
    time.sleep(2**attempt)
print("平台暂不可用, 留待重发 · try later")
sys.exit(4)
