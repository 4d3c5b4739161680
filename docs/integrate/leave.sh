#!/bin/sh
# 推送一次离场、放行、变更, 或入场前查询 · Push a leave, a release, an update, or ask before entering, by curl.
# sh leave.sh URL PARK_UUID SECRET SERIAL PICTURE [leave|release|update|before]
url=$1 secret=$3 serial=$4 picture=$5 call=${6:-leave} seconds=30
md5() { md5sum | cut -c1-32 | tr a-f A-F; }

# 一行一个参数, 不含文件和 sign · a parameter a line, without files and sign
case $call in
leave)
    path=leave file="leave_image_file=@$picture"
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
) ;;
# 人工放行: 图片与URL同一个字段, 没有哈希 · the picture is in the field of its URL, without a hash
release)
    path=release file="capture_image=@$picture"
    params=$(cat <<END
park_uuid=$2
release_type=2
parking_serial=$serial
plate=粤B12345
plate_color=1
release_time=2021-06-29T03:31:40Z
gate_id=2
gate_name=西门出口
operator=张三
reason=道闸故障 A&B=C
release_method=1
END
) ;;
# 记录变更: 每次变更一个 flow_no, 重发不变 · a flow_no for each correction, the same in every retry
update)
    path=update file=
    params=$(cat <<END
park_uuid=$2
flow_no=$serial-U1
parking_serial=$serial
plate=粤B54321
plate_color=1
operate_time=2021-06-29T04:00:00Z
operator=张三
reason=识别错误 A&B=C
END
) ;;
# 不问第二次: 车在等 · asked once, a vehicle waits
before)
    path=enter/before file= seconds=3
    params=$(cat <<END
park_uuid=$2
plate=粤B12345
plate_color=1
gate_time=1624874732253
gate_id=1
gate_name=东门入口
END
) ;;
esac
# 按字节序排序, 以 & 相连 · sorted by byte, joined by &
sign=$(printf '%s&app_secret=%s' "$(printf '%s' "$params" | LC_ALL=C sort -t= -k1,1 | paste -sd'&' -)" "$secret" | md5)

set -- --form-string "sign=$sign"
[ -z "$file" ] || set -- "$@" -F "$file"
while IFS= read -r param; do
    set -- "$@" --form-string "$param"
done <<END
$params
END
curl -sS --max-time "$seconds" "$@" "$url/gate/1.0/parking/internal/$path"
