// 推送一次车辆离场 · Push one leave (Node 18+).  node leave.mjs URL PARK_UUID SECRET SERIAL PICTURE
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

const [url, park_uuid, secret, serial, picture] = process.argv.slice(2);
const md5 = (data) => createHash("md5").update(data).digest("hex").toUpperCase();
const image = readFileSync(picture);
const params = {
  park_uuid, parking_serial: serial, plate: "粤B12345", plate_color: "1",
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
};

// 参数名升序, k=v 以 & 相连, 末尾 &app_secret=密钥, UTF-8, MD5 · sorted by name; files take no part.
function sign(params, secret) {
  const text = Object.keys(params).sort().map((name) => `${name}=${params[name]}`).join("&");
  return md5(`${text}&app_secret=${secret}`);
}

// 应答; undefined: 稍后原样重发 · the reply; undefined: keep the record and send it again, unchanged
async function push() {
  const form = new FormData();
  for (const [name, value] of Object.entries({ ...params, sign: sign(params, secret) })) form.set(name, value);
  form.set("leave_image_file", new Blob([image]), "car.jpg");
  try {
    const signal = AbortSignal.timeout(30_000);
    const answer = await fetch(`${url}/gate/1.0/parking/internal/leave`, { method: "POST", body: form, signal });
    return await answer.json(); // 非200也有应答体 · a 4xx or 5xx has a body, too
  } catch {
    return undefined;
  }
}

for (let attempt = 0; attempt < 5; attempt++) {
  const reply = await push();
  const code = String(reply?.code ?? "");
  if (["200", "1000", "1001"].includes(code)) {
    console.log(reply.message, reply.seqno, reply.hint ?? "");
    process.exit(reply.hint ? 5 : 0);
  }
  if (["400", "401", "403"].includes(code)) {
    console.log("被拒, 改好再发 · refused:", reply.hint ?? reply.message);
    process.exit(3);
  }
  await sleep(1000 * 2 ** attempt);
}
console.log("平台暂不可用, 留待重发 · try later");
process.exit(4);
