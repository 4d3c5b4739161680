"""Signed pushes, one form body a line: `make_leaves.py COUNT PARKS FIRST [leave|release|update] > leaves.txt`.

A leave has 20 fields and one payment; serials as the document writes them: the date, then a counter.
"""
import hashlib
import sys
from urllib.parse import quote

count, parks, first = (int(word) for word in sys.argv[1:4])
call = sys.argv[4] if len(sys.argv) > 4 else "leave"


def leave(number):
    order = 1624937505193 + number
    return {
        "car_color": "1", "car_desc": "临时车", "car_type": "1", "charge_type": "1",
        "enter_time": str(1624874732253 + number), "leave_gate": "出口名称", "leave_security": "出口保安",
        "leave_time": str(1624937505093 + number), "park_uuid": f"bench-{number % parks:04d}",
        "parking_serial": f"20210602{number:010d}",
        "payment_list": '[{"change_value":"0","free_value":100,"operator":"","parking_order":"%d",'
                        '"pay_origin_desc":"在线支付","pay_time":"%d","pay_type":"2","value":500}]' % (order, order),
        "plate": f"粤B{number % 100000:05d}", "plate_color": "1", "remain_parking_space": "10",
        "total_parking_space": "100", "vehicle_type": "1", "total_value": "600", "free_value": "100",
        "online_value": "500",
    }


def release(number):
    return {
        "release_type": "2", "park_uuid": f"bench-{number % parks:04d}", "parking_serial": f"20210602{number:010d}",
        "plate": f"粤B{number % 100000:05d}", "plate_color": "1", "release_time": "2021-06-29T03:31:45Z",
        "gate_name": "出口名称", "gate_id": "3", "car_type": "1", "car_desc": "临时车", "operator": "出口保安",
        "reason": "设备故障", "release_method": "1", "release_method_desc": "手动",
    }


def update(number):
    return {
        "flow_no": f"20210602{number:010d}", "park_uuid": f"bench-{number % parks:04d}",
        "parking_serial": f"20210602{number:010d}", "plate": f"粤B{number % 100000:05d}", "plate_color": "1",
        "car_type": "1", "car_desc": "临时车", "enter_time": "2021-06-28T10:05:32.253Z",
        "leave_time": "2021-06-29T03:31:45.093Z", "operate_time": "2021-06-29T04:00:00Z", "operator": "出口保安",
        "reason": "识别错误",
    }


made = {"leave": leave, "release": release, "update": update}[call]
for number in range(first, first + count):
    fields = made(number)
    text = "&".join(f"{name}={fields[name]}" for name in sorted(fields)) + "&app_secret=123"
    fields["sign"] = hashlib.md5(text.encode()).hexdigest().upper()
    print("&".join(f"{name}={quote(value, safe='')}" for name, value in fields.items()))
