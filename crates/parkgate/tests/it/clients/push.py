"""A leave by Python requests: urlencoded, multipart with a file, GBK named in the content type, gzip never."""
import hashlib
import sys
from urllib.parse import urlencode

import requests

url, park_uuid, picture = sys.argv[1:]


def params(serial, **more):
    fields = {
        "park_uuid": park_uuid, "parking_serial": serial, "plate": "粤X44444", "plate_color": "1",
        "enter_time": "1624874732253", "leave_time": "1624937505093", "car_type": "1", "car_desc": "临时车 & 月卡+",
        **more,
    }
    text = "&".join(f"{k}={fields[k]}" for k in sorted(fields)) + "&app_secret=123"
    return {**fields, "sign": hashlib.md5(text.encode()).hexdigest()}


def push(call, **request):
    reply = requests.post(f"{url}/gate/1.0/parking/internal/{call}", **request)
    print(reply.text)


content = open(picture, "rb").read()
digest = hashlib.md5(content).hexdigest()
push("leave", data=params("py1"))
push("leave", data=params("py2", leave_image_hash=digest), files={"leave_image_file": open(picture, "rb")})
push("leave", data=urlencode(params("py3"), encoding="gbk"),
     headers={"Content-Type": "application/x-www-form-urlencoded; charset=gb18030"})
# The file first, and without a name.
parts = {"leave_image_file": (None, content), **{k: (None, v) for k, v in params("py4", leave_image_hash=digest).items()}}
push("leave", files=parts)
