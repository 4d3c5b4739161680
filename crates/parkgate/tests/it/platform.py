"""A platform of the push protocol, written from its document alone (`leave.md`), with the standard library.

It listens on a free port, prints the port, and tells what it recorded at GET /recorded. Parks and secrets come as
arguments: PARK_UUID SECRET.
"""
import hashlib
import json
import sys
import threading
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote_plus

PARK, SECRET = sys.argv[1], sys.argv[2]
PATHS = {"/gate/1.0/parking/internal/leave": "leave", "/gate/1.0/parking/internal/enter": "enter"}
# 请求参数: marked Y in the table, and sent in every example of the document.
REQUIRED = ["park_uuid", "parking_serial", "plate_color", "enter_time", "car_type", "car_desc"]
PICTURES = ["enter_image", "enter_plate_image", "leave_image", "leave_plate_image"]

lock = threading.Lock()
serials = {"enter": {}, "leave": {}}
orders = {}
seqno = 0


def fields_of(headers, body):
    """Text fields and files of a form, urlencoded or multipart."""
    kind = headers.get("Content-Type", "")
    if kind.startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, strict_parsing=True)), {}
    message = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body)
    texts, files = {}, {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if part.get_filename() is None and not name.endswith("_file"):
            texts[name] = content.decode("utf-8")
        else:
            files[name] = content
    return texts, files


def signed_string(texts):
    """签名计算: keys sorted, all values as sent but `sign`; file streams take no part, their hashes do."""
    return "&".join(f"{key}={texts[key]}" for key in sorted(texts) if key != "sign")


def judge(kind, texts, files):
    """(HTTP status, reply without seqno)."""
    for name in REQUIRED + (["leave_time"] if kind == "leave" else []):
        if not texts.get(name):
            return 400, {"code": "400", "message": "请求参数错误", "hint": f"参数`{name}`未传递"}
    if texts["park_uuid"] != PARK:
        return 403, {"code": "403", "message": "访问被拦截"}
    string = signed_string(texts)
    sign = hashlib.md5(f"{string}&app_secret={SECRET}".encode()).hexdigest()
    if sign != texts.get("sign", "").lower():
        hint = f"签名验证不通过[{string}&app_secret=***]"
        return 200, {"code": "200", "message": "已忽略当前请求", "hint": hint}
    if texts.get("encoding") == "URL":
        texts = {name: unquote_plus(value) for name, value in texts.items()}
    for picture in PICTURES:
        content, told = files.get(f"{picture}_file"), texts.get(f"{picture}_hash")
        if (content is None) != (told is None):
            return 400, {"code": "400", "message": "请求参数错误", "hint": f"参数`{picture}_hash`未传递"}
        if content is not None and hashlib.md5(content).hexdigest() != told.lower():
            return 400, {"code": "400", "message": "请求参数错误", "hint": f"参数`{picture}_hash`错误"}
    for name in ["enter_time", "leave_time"]:
        if name in texts and not (texts[name].isdigit() and len(texts[name]) == 13):
            return 400, {"code": "400", "message": "请求参数错误", "hint": f"参数`{name}`错误"}
    # 注意事项 1: the same serial is recorded once.
    if texts["parking_serial"] in serials[kind]:
        hint = f"重复的停车流水`{texts['parking_serial']}`"
        return 200, {"code": "200", "message": "已忽略当前请求", "hint": hint}
    texts["files"] = {name: hashlib.md5(content).hexdigest().upper() for name, content in files.items()}
    serials[kind][texts["parking_serial"]] = texts
    # parking_order: 车场订单号必须唯一, 相同重复上报不受理.
    for payment in json.loads(texts.get("payment_list", "[]")):
        orders.setdefault(f"{payment['parking_order']} {payment['pay_type']}", payment)
    return 200, {"code": "200", "message": "OK"}


class Platform(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        global seqno
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with lock:
            seqno += 1
            kind = PATHS.get(self.path)
            status, reply = judge(kind, *fields_of(self.headers, body)) if kind else (404, {"code": "404"})
            reply["seqno"] = f"{seqno:016x}"
        if reply.get("hint"):
            reply["path"] = f"POST {self.path}"
        self.answer(status, reply)

    def do_GET(self):
        with lock:
            self.answer(200, {**serials, "orders": orders})

    def answer(self, status, reply):
        text = json.dumps(reply, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json;charset=UTF-8")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Platform)
print(server.server_port, flush=True)
server.serve_forever()
