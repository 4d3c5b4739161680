// A leave by Node's fetch: URLSearchParams, FormData, FormData with a file.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

const [url, parkUuid, picture] = process.argv.slice(2);
const md5 = (data) => createHash("md5").update(data).digest("hex").toUpperCase();

function params(serial, more = {}) {
  const fields = {
    park_uuid: parkUuid, parking_serial: serial, plate: "粤X44444", plate_color: "1",
    enter_time: "1624874732253", leave_time: "1624937505093", car_type: "1", car_desc: "临时车", ...more,
  };
  const text = Object.keys(fields).sort().map((k) => `${k}=${fields[k]}`).join("&") + "&app_secret=123";
  return { ...fields, sign: md5(text) };
}

async function push(body) {
  const reply = await fetch(`${url}/gate/1.0/parking/internal/leave`, { method: "POST", body });
  console.log(await reply.text());
}

const form = (fields) => Object.entries(fields).reduce((data, [k, v]) => (data.append(k, v), data), new FormData());
const content = readFileSync(picture);
await push(new URLSearchParams(params("js1")));
await push(form(params("js2")));
const withFile = form(params("js3", { leave_image_hash: md5(content) }));
withFile.append("leave_image_file", new Blob([content]), "a.gif");
await push(withFile);
