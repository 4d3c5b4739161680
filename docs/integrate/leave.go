// 推送一次车辆离场 · Push one leave.  go run leave.go URL PARK_UUID SECRET SERIAL PICTURE
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
	Code    any    `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint"`
	Seqno   string `json:"seqno"`
}

// 应答的code; 空: 稍后原样重发 · the code of the reply; none: keep the record and send it again, unchanged
func push(client *http.Client, url string, params map[string]string, image []byte) (string, reply) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for name, value := range params {
		form.WriteField(name, value)
	}
	file, _ := form.CreateFormFile("leave_image_file", "car.jpg")
	file.Write(image)
	form.Close()
	answer, err := client.Post(url+"/gate/1.0/parking/internal/leave", form.FormDataContentType(), &body)
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

func main() {
	url, park, secret, serial, picture := os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5]
	image, err := os.ReadFile(picture)
	if err != nil {
		panic(err)
	}
	params := map[string]string{
		"park_uuid": park, "parking_serial": serial, "plate": "粤B12345", "plate_color": "1",
		"enter_time": "1624874732253", "leave_time": "1624937505093", "car_type": "1", "car_desc": "临停 A&B=C+D 100%",
		"charge_type": "1", "leave_gate": "西门出口", "total_value": "1100", "free_value": "100", "online_value": "500", "cash_value": "500",
		// 以发送的文本参与签名 · signed as the very text that is sent
		"payment_list": `[{"pay_origin_desc":"微信","pay_type":2,"pay_time":"1624937505093","value":500,"free_value":100,` +
			`"parking_order":"` + serial + `-1"},{"pay_origin_desc":"现金","pay_type":1,"operator":"张三",` +
			`"pay_time":"1624937505093","value":500,"parking_order":"` + serial + `-2","change_value":500}]`,
		"leave_image_hash": fmt.Sprintf("%X", md5.Sum(image)),
	}
	params["sign"] = sign(params, secret)

	client := &http.Client{Timeout: 30 * time.Second}
	for attempt := 0; attempt < 5; attempt++ {
		switch code, told := push(client, url, params, image); code {
		case "200", "1000", "1001":
			fmt.Println(told.Message, told.Seqno, told.Hint)
			if told.Hint != "" {
				os.Exit(5)
			}
			return
		case "400", "401", "403":
			fmt.Println("被拒, 改好再发 · refused:", told.Hint)
			os.Exit(3)
		}
		time.Sleep(time.Second << attempt)
	}
	fmt.Println("平台暂不可用, 留待重发 · try later")
	os.Exit(4)
}
