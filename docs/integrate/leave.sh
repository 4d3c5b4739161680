#!/bin/sh
# 推送一次车辆离场 · Push one leave by curl.  sh leave.sh URL PARK_UUID SECRET SERIAL PICTURE
url=$1 secret=$3 serial=$4 picture=$5
md5() { md5sum | cut -c1-32 | tr a-f A-F; }

# 一行一个参数, 不含文件和 sign · a parameter a line, without files and sign
params=$(cat <<END
park_uuid=$2
parking_serial=$serial
plate=粤B12345
plate_color=1
enter_time=1624874732253
leave_time=1624937505093
car_type=1
car_desc=临停 A&B=C+D 100%
charge_type=1
leave_gate=西门出口
total_value=1100
free_value=100
online_value=500
cash_value=500
payment_list=[{"pay_origin_desc":"微信","pay_type":2,"pay_time":"1624937505093","value":500,"free_value":100,"parking_order":"$serial-1"},{"pay_origin_desc":"现金","pay_type":1,"operator":"张三","pay_time":"1624937505093","value":500,"parking_order":"$serial-2","change_value":500}]
leave_image_hash=$(md5 <"$picture")
END
)
# 按字节序排序, 以 & 相连 · sorted by byte, joined by &
sign=$(printf '%s&app_secret=%s' "$(printf '%s' "$params" | LC_ALL=C sort -t= -k1,1 | paste -sd'&' -)" "$secret" | md5)

set -- -F "leave_image_file=@$picture" --form-string "sign=$sign"
while IFS= read -r param; do
    set -- "$@" --form-string "$param"
done <<END
$params
END
curl -sS --max-time 30 "$@" "$url/gate/1.0/parking/internal/leave"
