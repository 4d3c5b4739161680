#!/usr/bin/env python3
"""What a released program left behind, for the tests of upgrades: `make.py PARKGATE FOLDER`.

Pushes to a gate of that program, on SQLite and then on PostgreSQL, one of everything that a store can hold, and writes
into FOLDER the data folders, PostgreSQL's database as SQL, and what its commands answered; and the folder of an agent with
records that wait. Needs tar and postgresql-15.
"""
import gzip
import hashlib
import http.server
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

PROGRAM, FOLDER = os.path.realpath(sys.argv[1]), os.path.realpath(sys.argv[2])
# One subscriber is on this machine.
os.environ["PARKGATE_FORWARD_ALLOW_PRIVATE"] = "true"
DEMO = "49f0cc52-e8c7-41e3-b54d-af666b8cc11a"
HOUR = 3_600_000
ENTERED, LEFT = 1_624_874_732_253, 1_624_937_505_093

# What the test asks again: commands whose answers do not depend on when they are asked.
QUESTIONS = [
    "park list", f"park show {DEMO}", "park show P1", "park show P2", "app list", "visit list --limit 1000",
    f"visit show {DEMO} S1", f"visit show {DEMO} S2", f"visit show {DEMO} S3", "visit show P1 N1", "visit show P2 Q1", "visit show P1 U1", "quarantine list --limit 1000", "quarantine show 1", "quarantine show 2", "conflict list",
    "subscriber list", "subscriber show city", "delivery list", "delivery list --subscriber vendor",
    "delivery list --state dead", "park list-plates P1", f"visit show {DEMO} F1", f"visit show {DEMO} R1", f"visit show {DEMO} C1",
    "subscriber calls vendor", "month list",
]
# Commands that mask plates and ID data, unless they are asked not to: the tests compare all of it.
MASKING = ("visit ", "quarantine ", "conflict ", "delivery list", "subscriber differences")
# A GIF of one pixel.
PICTURE = bytes.fromhex("47494638396101000100800000ffffff00000021f90400000000002c00000000010001000002024401003b")


def fields(serial, **changes):
    params = {
        "park_uuid": DEMO, "parking_serial": serial, "plate": "粤B12345", "plate_color": "1", "enter_time": str(ENTERED),
        "leave_time": str(LEFT), "car_type": "1", "car_desc": "临时车", "leave_gate": "东门出口", "leave_security": "张三",
        "total_value": "600", "free_value": "100", "online_value": "500", "total_parking_space": "100",
        "remain_parking_space": "42", "payment_list": json.dumps([
            {"parking_order": "O" + serial, "pay_type": "2", "value": 500, "free_value": 100, "pay_time": str(LEFT),
             "operator": "李四", "pay_origin_desc": "微信"}], ensure_ascii=False),
    }
    params.update(changes)
    return {name: value for name, value in params.items() if value is not None}


def entered(serial, **changes):
    money = dict.fromkeys(("leave_time", "leave_gate", "leave_security", "total_value", "free_value", "online_value", "payment_list"))
    return fields(serial, **{**money, **changes})


def signed(params, secret="123"):
    text = "&".join(f"{name}={params[name]}" for name in sorted(params) if params[name]) + "&app_secret=" + secret
    return {**params, "sign": hashlib.md5(text.encode()).hexdigest().upper()}


class Gate:
    def __init__(self, data, store):
        self.flags = ["--data", data] + (["--store", store] if store else [])
        self.process = subprocess.Popen(
            [PROGRAM, "serve", "--demo", "--listen", "127.0.0.1:0", "--admin-listen", "off", *self.flags],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for line in self.process.stdout:
            if found := re.match(r"listening on (\S+)", line):
                self.url = found[1]
                return
        sys.exit("the gate did not start")

    def push(self, kind, params, expected="OK"):
        body = urllib.parse.urlencode(params).encode()
        self.post(kind, body, "application/x-www-form-urlencoded", expected)

    def push_picture(self, kind, params, name):
        """The same with a file."""
        head = "".join(f'--x\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in params.items())
        part = f'--x\r\ncontent-disposition: form-data; name="{name}"; filename="a.gif"\r\ncontent-type: image/gif\r\n\r\n'
        body = head.encode() + part.encode() + PICTURE + b"\r\n--x--\r\n"
        self.post(kind, body, "multipart/form-data; boundary=x", "OK")

    def post(self, kind, body, content_type, expected):
        request = urllib.request.Request(f"{self.url}/gate/1.0/parking/internal/{kind}", body, {"content-type": content_type})
        try:
            with urllib.request.urlopen(request) as reply:
                answer = json.load(reply)
        except urllib.error.HTTPError as error:
            answer = json.load(error)
        if answer["message"] != expected:
            sys.exit(f"{kind} {body[:300]}: {answer}")

    def run(self, command):
        return self.ran(command, True).stdout

    def ran(self, command, check=False):
        ran = subprocess.run([PROGRAM, *command.split(" "), *self.flags], capture_output=True, text=True)
        if check and ran.returncode != 0:
            sys.exit(f"{command}: {ran.stderr}")
        return ran

    def stop(self):
        self.process.terminate()
        self.process.wait()


def everything(gate):
    """One of everything that a store can hold."""
    gate.run("park add --uuid P1 --name 西门停车场 --secret s1 --merchant M1 --total 50")
    gate.run("park add --uuid P2 --name 南门 --secret s2")
    gate.run(f"app add --id op1 --secret a1 --park P2")
    gate.run("subscriber add --name city --url https://city.example/sync-{event} --format openapi --app-id A1 --secret c --all")
    gate.run(f"subscriber add --name vendor --url https://vendor.example --format relay --park P1")
    for name in ("city", "vendor"):
        gate.run(f"subscriber pause {name}")
    time.sleep(1)  # the gate looks at its registry every 300 ms
    # Two halves, in either order; a leave alone; an enter alone; another time of entering.
    gate.push("enter", signed(entered("S1")))
    gate.push("leave", signed(fields("S1")))
    gate.push("leave", signed(fields("S2", plate=None, idcard_name="王五", idcard_no="440301199001010011")))
    gate.push("enter", signed(entered("S2", enter_time=str(ENTERED))))
    gate.push("leave", signed(fields("S3", payment_list=None, fm="193", remark="谢谢")))
    gate.push("enter", signed(entered("S3", enter_time=str(ENTERED + HOUR))))
    gate.push("enter", signed(entered("S4", remain_parking_space="0")))
    # The same again, and another push with a serial that is taken.
    gate.push("leave", signed(fields("S1")))
    gate.push("leave", signed(fields("S1", plate="粤B99999")), "已忽略当前请求")
    # Refused: a wrong signature, a missing field.
    gate.push("leave", signed(fields("W1"), "wrong"), "已忽略当前请求")
    gate.push("leave", signed(fields("W2", plate_color=None)), "请求参数错误")
    # By merchant number, by an app, with values encoded twice, and with an order that was paid before.
    gate.push("leave", signed(fields("M1", park_uuid=None, merchant="M1"), "s1"))
    gate.push("leave", signed(fields("Q1", park_uuid="P2", app_id="op1", api_type="1"), "a1"))
    encoded = {name: urllib.parse.quote_plus(value) for name, value in fields("U1", park_uuid="P1").items()}
    gate.push("leave", signed({**encoded, "encoding": "URL"}, "s1"))
    again = fields("U2", park_uuid="P1", payment_list=fields("U1")["payment_list"])
    body = urllib.parse.urlencode(signed(again, "s1")).encode()
    urllib.request.urlopen(f"{gate.url}/gate/1.0/parking/internal/leave", body).read()
    # Serials that start anew: what was ignored goes over to the new epoch.
    for number in range(3):
        gate.push("leave", signed(fields(f"N{number}", park_uuid="P1", plate="粤A00001"), "s1"))
    later = LEFT + 400 * 24 * HOUR
    gate.run(f"park set P1 --new-serial-epoch {later}")
    time.sleep(2)
    for number in range(3):
        times = {"enter_time": str(later + HOUR), "leave_time": str(later + 2 * HOUR)}
        gate.push("leave", signed(fields(f"N{number}", park_uuid="P1", plate="粤A00002", payment_list=None, **times), "s1"))
    by_hand(gate)
    dead_letters(gate)
    # What later programs have beside: whoever does not know it leaves it out.
    gate.ran("park set P1 --keep personal=30d,pictures=90d")
    gate.ran("park set P1 --http-200 always --refuse-when-full yes")
    gate.run("park add-plate P1 粤A00001 --allow")
    gate.run("park add-plate P1 粤A00009 --deny")
    gate.run("park rotate-secret P2 --secret new")
    gate.run("park disable P2")


def by_hand(gate):
    """Pictures, releases and updates."""
    gate.push_picture("leave", signed(fields("F1", leave_image_hash=hashlib.md5(PICTURE).hexdigest().upper())), "leave_image_file")
    gate.push("leave", signed(fields("R1")))
    release = {"park_uuid": DEMO, "release_type": "2", "parking_serial": "R1", "plate": "粤B12345", "release_time": "2021-06-29T03:31:45Z",
               "gate_name": "南门出口", "operator": "张三", "reason": "设备故障", "release_method": "1"}
    gate.push_picture("release", signed(release), "capture_image")
    gate.push("release", signed({**release, "parking_serial": "R1", "release_type": "1", "release_time": "2021-06-28T10:00:00Z"}))
    gate.push("leave", signed(fields("C1")))
    update = {"park_uuid": DEMO, "flow_no": "W1", "parking_serial": "C1", "plate": "粤B54321", "operate_time": "2021-06-29T04:00:00Z",
              "operator": "李四", "reason": "识别错误"}
    gate.push("update", signed(update))
    gate.push("update", signed({**update, "flow_no": "W2", "plate": "粤B54322", "operate_time": "2021-06-29T05:00:00Z"}))
    gate.push("update", signed({**update, "plate": "粤B99999"}), "已忽略当前请求")


def dead_letters(gate):
    """A subscriber that refuses what it gets."""
    class Refusing(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers.get("content-length", 0)))
            reply = json.dumps({"code": "400", "message": "请求参数错误", "hint": "拒收"}).encode()
            self.send_response(400)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    gate.run(f"subscriber add --name refusing --url http://127.0.0.1:{server.server_port} --format relay --park {DEMO}")
    time.sleep(2)
    gate.push("leave", signed(fields("D1")))
    for _ in range(100):
        if json.loads(gate.run("delivery list --state dead --json")):
            break
        time.sleep(0.2)
    else:
        sys.exit("no dead letter")
    gate.run("subscriber pause refusing")
    time.sleep(2)
    server.shutdown()


def answers(gate):
    unmasked = {question: question + " --unmask" * question.startswith(MASKING) for question in QUESTIONS}
    asked = {question: gate.ran(unmasked[question] + " --json") for question in QUESTIONS}
    # 2: a command that this program does not have; 1: one that this store does not (`month`).
    found = {question: json.loads(ran.stdout) for question, ran in asked.items() if ran.returncode == 0}
    failed = {question: ran.stderr for question, ran in asked.items() if ran.returncode != 0}
    for question, error in failed.items():
        print(f"not asked: {question}: {error.strip().splitlines()[:1]}")
    if set(failed) - {"month list", "subscriber calls vendor"}:
        sys.exit("these must be answered")
    for delivery in found["delivery list"][:3]:
        question = f"delivery show {delivery['id']}"
        found[question] = json.loads(gate.run(question + " --json"))
    return found


def pack(name, data):
    """A folder as it is, for the tests to unpack. The same bytes for the same contents."""
    os.makedirs(f"{FOLDER}/{name}", exist_ok=True)
    plain = ["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mtime=@0", "--exclude=*.lock"]
    packed = subprocess.run(["tar", *plain, "-C", data, "-cf", "-", "."], check=True, capture_output=True).stdout
    with open(f"{FOLDER}/{name}/data.tar.gz", "wb") as file:
        file.write(gzip.compress(packed, mtime=0))


def keep(name, data, sql, found):
    pack(name, data)
    if sql is not None:
        with open(f"{FOLDER}/{name}/database.sql", "w", encoding="utf-8") as file:
            file.write(sql)
    with open(f"{FOLDER}/{name}/answers.json", "w", encoding="utf-8") as file:
        json.dump(found, file, ensure_ascii=False, indent=1)


def sqlite(scratch):
    data = f"{scratch}/sqlite"
    gate = Gate(data, None)
    everything(gate)
    gate.stop()
    found = answers(gate)
    keep("sqlite", data, None, found)


def agent(scratch):
    """An agent's folder with records that wait: one of each kind, a picture, ID data."""
    data = f"{scratch}/agent"
    os.makedirs(data)
    with open(f"{data}/car.gif", "wb") as file:
        file.write(PICTURE)
    with open(f"{data}/agent.toml", "w", encoding="utf-8") as file:
        file.write(f'data = "outbox"\nlisten = "127.0.0.1:0"\n[platform]\nurl = "http://127.0.0.1:9"\npark_uuid = "{DEMO}"\nsecret = "123"\n')

    def add(kind, params, *more):
        pairs = [f"{name}={value}" for name, value in params.items() if name not in ("park_uuid", "payment_list")]
        command = [PROGRAM, "agent", "add", kind, *pairs, *more, "--config", f"{data}/agent.toml"]
        subprocess.run(command, check=True, capture_output=True, cwd=data)

    add("enter", entered("A1"))
    add("leave", fields("A1"), "--image", f"leave_image_file={data}/car.gif")
    add("leave", fields("A2", plate=None, idcard_name="王五", idcard_no="440301199001010011"))
    add("release", {"parking_serial": "A1", "release_type": "2", "plate": "粤B12345", "operator": "张三", "reason": "道闸故障"})
    add("update", {"flow_no": "W9", "parking_serial": "A1", "plate": "粤B54321", "operator": "张三", "reason": "识别错误"})
    pack("agent", data)


def postgres(scratch):
    programs = "/usr/lib/postgresql/15/bin"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    os.chmod(scratch, 0o755)
    cluster = f"{scratch}/cluster"
    os.makedirs(cluster)
    as_owner = []
    if os.getuid() == 0:
        shutil.chown(cluster, "postgres", "postgres")
        as_owner = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run([*as_owner, f"{programs}/initdb", "-D", cluster, "-U", "postgres", "--auth", "trust", "--encoding", "UTF8",
                    "--locale", "C"], check=True, cwd="/", **quiet)
    server = subprocess.Popen([*as_owner, f"{programs}/postgres", "-D", cluster, "-k", cluster, "-p", str(port)], cwd="/", **quiet)
    try:
        for _ in range(100):
            if subprocess.run([f"{programs}/pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]).returncode == 0:
                break
            time.sleep(0.1)
        url = f"postgres://postgres@127.0.0.1:{port}/postgres"
        data = f"{scratch}/beside"
        gate = Gate(data, url)
        everything(gate)
        gate.stop()
        found = answers(gate)
        dump = [f"{programs}/pg_dump", "--inserts", "--no-owner", "--no-privileges", url]
        sql = subprocess.run(dump, check=True, capture_output=True, text=True).stdout
        # Words of psql, which no server knows.
        sql = "".join(line + "\n" for line in sql.splitlines() if not line.startswith("\\"))
        keep("postgres", data, sql, found)
    finally:
        server.terminate()
        server.wait()


with tempfile.TemporaryDirectory() as scratch:
    agent(scratch)
    sqlite(scratch)
    postgres(scratch)
