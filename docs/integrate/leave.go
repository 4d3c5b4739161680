// 推送一次离场、放行、变更, 或入场前查询 · Push a leave, a release, an update, or ask before entering.
// go run leave.go URL PARK_UUID SECRET SERIAL PICTURE [leave|release|update|before]
package main

import (
	"bytes"
	"crypto/md5"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/http"
	"os"
	"sort"
	"strings"
	"time"
)

// 参数名升序, k=v 以 & 相连, 末尾 &app_secret=密钥, UTF-8, MD5 · sorted by name; files take no part.
func sign(params map[string]string, secret string) string {
	names := make([]string, 0, len(params))
	for name := range params {
		names = append(names, name)
	}
	sort.Strings(names)
	var text strings.Builder
	for _, name := range names {
		text.WriteString(name + "=" + params[name] + "&")
	}
	return fmt.Sprintf("%X", md5.Sum([]byte(text.String()+"app_secret="+secret)))
}

type reply struct {
	Code       any    `json:"code"`
	Message    string `json:"message"`
	Hint       string `json:"hint"`
	Seqno      string `json:"seqno"`
	Status     any    `json:"status"`
	StatusDesc string `json:"status_desc"`
}

// 应答的code; 空: 稍后原样重发 · the code of the reply; none: keep the record and send it again, unchanged
func push(client *http.Client, address string, params map[string]string, part string, image []byte) (string, reply) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for name, value := range params {
		form.WriteField(name, value)
	}
	if part != "" {
		file, _ := form.CreateFormFile(part, "car.jpg")
		file.Write(image)
	}
	form.Close()
	answer, err := client.Post(address, form.FormDataContentType(), &body)
	if err != nil {
		return "", reply{}
	}
	defer answer.Body.Close()
	var told reply
	// 非200也有应答体 · a 4xx or 5xx has a body, too
	if json.NewDecoder(answer.Body).Decode(&told) != nil {
		return "", reply{}
	}
	return fmt.Sprint(told.Code), told
}

// 参数和图片的字段 · the parameters, and the field of the picture
func paramsOf(call, serial string, image []byte) (map[string]string, string) {
	switch call {
	case "release": // 人工放行: 图片与URL同一个字段, 没有哈希 · the picture is in the field of its URL, without a hash
		return map[string]string{
			"release_type": "2", "parking_serial": serial, "plate": "粤B12345", "plate_color": "1",
			"release_time": "2021-06-29T03:31:40Z", "gate_id": "2", "gate_name": "西门出口", "operator": "张三",
			"reason": "道闸故障 A&B=C", "release_method": "1",
		}, "capture_image"
	case "update": // 记录变更: 每次变更一个 flow_no, 重发不变 · a flow_no for each correction, the same in every retry
		return map[string]string{
			"flow_no": serial + "-U1", "parking_serial": serial, "plate": "粤B54321", "plate_color": "1",
			"operate_time": "2021-06-29T04:00:00Z", "operator": "张三", "reason": "识别错误 A&B=C",
		}, ""
	case "before":
		return map[string]string{
			"plate": "粤B12345", "plate_color": "1", "gate_time": "1624874732253", "gate_id": "1", "gate_name": "东门入口",
		}, ""
	}
	return map[string]string{
		"parking_serial": serial, "plate": "粤B12345", "plate_color": "1",
		"enter_time": "1624874732253", "leave_time": "1624937505093", "car_type": "1", "car_desc": "临停 A&B=C+D 100%",
		"charge_type": "1", "leave_gate": "西门出口", "total_value": "1100", "free_value": "100", "online_value": "500", "cash_value": "500",
		// 以发送的文本参与签名 · signed as the very text that is sent
		"payment_list": `[{"pay_origin_desc":"微信","pay_type":2,"pay_time":"1624937505093","value":500,"free_value":100,` +
			`"parking_order":"` + serial + `-1"},{"pay_origin_desc":"现金","pay_type":1,"operator":"张三",` +
			`"pay_time":"1624937505093","value":500,"parking_order":"` + serial + `-2","change_value":500}]`,
		"leave_image_hash": fmt.Sprintf("%X", md5.Sum(image)),
	}, "leave_image_file"
}

// 不问第二次: 车在等 · asked once, a vehicle waits
func ask(address string, params map[string]string) {
	code, told := push(&http.Client{Timeout: 3 * time.Second}, address, params, "", nil)
	if code != "1001" {
		fmt.Println("平台未答, 车场自行判断 · no answer, decide locally:", told.Message, told.Hint)
		os.Exit(4)
	}
	// 1 允许, 0 车场自行判断, -1 禁止 · may enter, decide locally, may not; status_desc is for the LED
	fmt.Println("status", told.Status, told.StatusDesc)
	os.Exit(0)
}

func main() {
	url, park, secret, serial, picture, call := os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5], "leave"
	if len(os.Args) > 6 {
		call = os.Args[6]
	}
	image, err := os.ReadFile(picture)
	if err != nil {
		panic(err)
	}
	params, part := paramsOf(call, serial, image)
	params["park_uuid"] = park
	params["sign"] = sign(params, secret)
	address := url + "/gate/1.0/parking/internal/" + call
	if call == "before" {
		ask(url+"/gate/1.0/parking/internal/enter/before", params)
	}

	client := &http.Client{Timeout: 30 * time.Second}
	for attempt := 0; attempt < 5; attempt++ {
		switch code, told := push(client, address, params, part, image); code {
		case "200", "1000", "1001":
			fmt.Println(told.Message, told.Seqno, told.Hint)
			if told.Hint != "" {
				os.Exit(5)
			}
			return
		case "400", "401", "403", "404":
			fmt.Println("被拒, 改好再发 · refused:", told.Hint)
			os.Exit(3)
		}
		time.Sleep(time.Second << attempt)
	}
	fmt.Println("平台暂不可用, 留待重发 · try later")
	os.Exit(4)
}
