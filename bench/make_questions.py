"""Signed questions before entering, one form body a line: `make_questions.py COUNT PARKS > questions.txt`; with `plates` as the
last word the lists that they ask for, as `import-plates` reads them: `make_questions.py COUNT 0 plates > plates.csv`.
"""
import hashlib
import sys
from urllib.parse import quote

count, parks = (int(word) for word in sys.argv[1:3])
if sys.argv[3:] == ["plates"]:
    print("plate,list,note")
    for number in range(count):
        print(f"粤B·{number:06d}D,{'deny' if number % 10 == 0 else 'allow'},业主")
    sys.exit()
for number in range(count):
    fields = {
        "gate_id": "G1", "gate_name": "东门入口", "gate_time": str(1624937505093 + number),
        "park_uuid": f"bench-{number % parks:04d}", "plate": f"粤B{number * 7919 % 200000:06d}D", "plate_color": "5",
        "vehicle_type": "1",
    }
    text = "&".join(f"{name}={fields[name]}" for name in sorted(fields)) + "&app_secret=123"
    fields["sign"] = hashlib.md5(text.encode()).hexdigest().upper()
    print("&".join(f"{name}={quote(value, safe='')}" for name, value in fields.items()))
