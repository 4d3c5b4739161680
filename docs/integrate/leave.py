"""推送一次车辆离场 · Push one leave.  python3 leave.py URL PARK_UUID SECRET SERIAL PICTURE"""
import hashlib
import json
import sys
import time
import urllib.error
import urllib.request
import uuid

url, park_uuid, secret, serial, picture = sys.argv[1:]
with open(picture, "rb") as file:
    image = file.read()
payments = [
    {"pay_origin_desc": "微信", "pay_type": 2, "pay_time": "1624937505093", "value": 500, "free_value": 100,
     "parking_order": f"{serial}-1"},
    {"pay_origin_desc": "现金", "pay_type": 1, "operator": "张三", "pay_time": "1624937505093", "value": 500,
     "parking_order": f"{serial}-2", "change_value": 500},
]
params = {
    "park_uuid": park_uuid, "parking_serial": serial, "plate": "粤B12345", "plate_color": "1",
    "enter_time": "1624874732253", "leave_time": "1624937505093", "car_type": "1", "car_desc": "临停 A&B=C+D 100%",
    "charge_type": "1", "leave_gate": "西门出口", "total_value": "1100", "free_value": "100", "online_value": "500", "cash_value": "500",
    # 以发送的文本参与签名 · signed as the very text that is sent
    "payment_list": json.dumps(payments, ensure_ascii=False, separators=(",", ":")),
    "leave_image_hash": hashlib.md5(image).hexdigest().upper(),
}


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


def push():
    """应答 · the reply; None: 稍后原样重发 · keep the record and send it again, unchanged."""
    content_type, body = multipart({**params, "sign": sign(params, secret)}, {"leave_image_file": image})
    request = urllib.request.Request(url + "/gate/1.0/parking/internal/leave", body, {"Content-Type": content_type})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:  # 非200也有应答体 · a 4xx or 5xx has a body, too
        try:
            return json.load(error)
        except ValueError:
            return None
    except (OSError, ValueError):
        return None


for attempt in range(5):
    reply = push()
    code = str(reply.get("code")) if reply else ""
    if code in ("200", "1000", "1001"):
        print(reply["message"], reply["seqno"], reply.get("hint", ""))
        sys.exit(5 if reply.get("hint") else 0)
    if code in ("400", "401", "403"):
        print("被拒, 改好再发 · refused:", reply.get("hint") or reply["message"])
        sys.exit(3)
    time.sleep(2**attempt)
print("平台暂不可用, 留待重发 · try later")
sys.exit(4)
