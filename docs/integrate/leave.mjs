// 推送一次离场、放行、变更, 或入场前查询 · Push a leave, a release, an update, or ask before entering (Node 18+).
// node leave.mjs URL PARK_UUID SECRET SERIAL PICTURE [leave|release|update|before]
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

const [url, park_uuid, secret, serial, picture, call = "leave"] = process.argv.slice(2);
const md5 = (data) => createHash("md5").update(data).digest("hex").toUpperCase();
const image = readFileSync(picture);
const calls = {
  leave: {
    parking_serial: serial, plate: "粤B12345", plate_color: "1",
    enter_time: "1624874732253", leave_time: "1624937505093", car_type: "1", car_desc: "临停 A&B=C+D 100%",
    charge_type: "1", leave_gate: "西门出口", total_value: "1100", free_value: "100", online_value: "500", cash_value: "500",
    // 以发送的文本参与签名 · signed as the very text that is sent
    payment_list: JSON.stringify([
      { pay_origin_desc: "微信", pay_type: 2, pay_time: "1624937505093", value: 500, free_value: 100,
        parking_order: `${serial}-1` },
      { pay_origin_desc: "现金", pay_type: 1, operator: "张三", pay_time: "1624937505093", value: 500,
        parking_order: `${serial}-2`, change_value: 500 },
    ]),
    leave_image_hash: md5(image),
  },
  // 人工放行: 图片与URL同一个字段, 没有哈希 · the picture is in the field of its URL, without a hash
  release: {
    release_type: "2", parking_serial: serial, plate: "粤B12345", plate_color: "1",
    release_time: "2021-06-29T03:31:40Z", gate_id: "2", gate_name: "西门出口", operator: "张三",
    reason: "道闸故障 A&B=C", release_method: "1",
  },
  // 记录变更: 每次变更一个 flow_no, 重发不变 · a flow_no for each correction, the same in every retry
  update: {
    flow_no: `${serial}-U1`, parking_serial: serial, plate: "粤B54321", plate_color: "1",
    operate_time: "2021-06-29T04:00:00Z", operator: "张三", reason: "识别错误 A&B=C",
  },
  "enter/before": {
    plate: "粤B12345", plate_color: "1", gate_time: "1624874732253", gate_id: "1", gate_name: "东门入口",
  },
};
const files = { leave: "leave_image_file", release: "capture_image" };

// 参数名升序, k=v 以 & 相连, 末尾 &app_secret=密钥, UTF-8, MD5 · sorted by name; files take no part.
function sign(params, secret) {
  const text = Object.keys(params).sort().map((name) => `${name}=${params[name]}`).join("&");
  return md5(`${text}&app_secret=${secret}`);
}

// 应答; undefined: 稍后原样重发 · the reply; undefined: keep the record and send it again, unchanged
async function push(call, timeout) {
  const params = { park_uuid, ...calls[call] };
  const form = new FormData();
  for (const [name, value] of Object.entries({ ...params, sign: sign(params, secret) })) form.set(name, value);
  if (files[call]) form.set(files[call], new Blob([image]), "car.jpg");
  try {
    const signal = AbortSignal.timeout(timeout);
    const answer = await fetch(`${url}/gate/1.0/parking/internal/${call}`, { method: "POST", body: form, signal });
    return await answer.json(); // 非200也有应答体 · a 4xx or 5xx has a body, too
  } catch {
    return undefined;
  }
}

if (call === "before") {
  // 不问第二次: 车在等 · asked once, a vehicle waits
  const reply = await push("enter/before", 3_000);
  if (String(reply?.code) !== "1001") {
    console.log("平台未答, 车场自行判断 · no answer, decide locally:", reply?.hint ?? reply?.message);
    process.exit(4);
  }
  // 1 允许, 0 车场自行判断, -1 禁止 · may enter, decide locally, may not; status_desc is for the LED
  console.log("status", reply.status ?? "0", reply.status_desc ?? "");
  process.exit(0);
}
for (let attempt = 0; attempt < 5; attempt++) {
  const reply = await push(call, 30_000);
  const code = String(reply?.code ?? "");
  if (["200", "1000", "1001"].includes(code)) {
    console.log(reply.message, reply.seqno, reply.hint ?? "");
    process.exit(reply.hint ? 5 : 0);
  }
  if (["400", "401", "403", "404"].includes(code)) {
    console.log("被拒, 改好再发 · refused:", reply.hint ?? reply.message);
    process.exit(3);
  }
  await sleep(1000 * 2 ** attempt);
}
console.log("平台暂不可用, 留待重发 · try later");
process.exit(4);
