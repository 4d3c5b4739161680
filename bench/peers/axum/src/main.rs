//! The endpoint a good Rust team writes by hand: axum, a pool, one transaction a push, statements prepared.
//! `peer-axum POSTGRES_URL ADDRESS`; secret `123` for every park.

use std::collections::BTreeMap;

use axum::extract::{RawForm, State};
use axum::http::StatusCode;
use axum::{Json, Router, routing::post};
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use md5::{Digest, Md5};
use serde_json::{Value, json};
use tokio_postgres::NoTls;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS leaves (
    park_uuid text NOT NULL, parking_serial text NOT NULL, plate text, enter_time bigint NOT NULL, leave_time bigint NOT NULL,
    params jsonb NOT NULL, seqno bigserial, received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (park_uuid, parking_serial));
CREATE TABLE IF NOT EXISTS payments (
    park_uuid text NOT NULL, parking_order text NOT NULL, pay_type int NOT NULL, parking_serial text NOT NULL,
    value bigint NOT NULL, pay_time bigint, PRIMARY KEY (park_uuid, parking_order, pay_type));
CREATE TABLE IF NOT EXISTS spaces (park_uuid text PRIMARY KEY, total int NOT NULL, remain int NOT NULL, as_of bigint NOT NULL);
";
const LEAVE: &str = "INSERT INTO leaves (park_uuid, parking_serial, plate, enter_time, leave_time, params) \
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING seqno";
const PAYMENT: &str = "INSERT INTO payments (park_uuid, parking_order, pay_type, parking_serial, value, pay_time) \
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
const SPACE: &str = "INSERT INTO spaces VALUES ($1, $2, $3, $4) ON CONFLICT (park_uuid) DO UPDATE SET total = excluded.total, \
    remain = excluded.remain, as_of = excluded.as_of WHERE spaces.as_of < excluded.as_of";

type Failed = Box<dyn std::error::Error + Send + Sync>;

fn decoded(text: &[u8]) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16)).unwrap_or(0) as u8;
                let high = digit(bytes.next());
                out.push(high << 4 | digit(bytes.next()));
            }
            other => out.push(*other),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

async fn leave(State(pool): State<Pool>, RawForm(body): RawForm) -> (StatusCode, Json<Value>) {
    let params: BTreeMap<String, String> = body
        .split(|byte| *byte == b'&')
        .filter_map(|pair| {
            let cut = pair.iter().position(|byte| *byte == b'=')?;
            Some((decoded(&pair[..cut]), decoded(&pair[cut + 1..])))
        })
        .collect();
    let text: String = params.iter().filter(|(name, _)| *name != "sign").map(|(name, value)| format!("{name}={value}&")).collect();
    let sign = hex::encode_upper(Md5::digest(format!("{text}app_secret=123")));
    if !params.get("sign").is_some_and(|sent| sent.eq_ignore_ascii_case(&sign)) {
        return (StatusCode::OK, Json(json!({ "code": "200", "message": "已忽略当前请求", "hint": "签名验证不通过" })));
    }
    match record(&pool, &params).await {
        Ok(seqno) => (StatusCode::OK, Json(json!({ "code": "200", "message": "OK", "seqno": format!("{seqno:016x}") }))),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "code": "503", "message": "服务暂不可用" }))),
    }
}

async fn record(pool: &Pool, params: &BTreeMap<String, String>) -> Result<i64, Failed> {
    let text = |name: &str| params.get(name).map(String::as_str).unwrap_or_default();
    let number = |name: &str| text(name).parse::<i64>();
    let mut client = pool.get().await?;
    let (leave, payment, space) =
        (client.prepare_cached(LEAVE).await?, client.prepare_cached(PAYMENT).await?, client.prepare_cached(SPACE).await?);
    let transaction = client.transaction().await?;
    let (park, serial) = (text("park_uuid"), text("parking_serial"));
    let all = tokio_postgres::types::Json(params);
    let row = transaction
        .query_opt(&leave, &[&park, &serial, &text("plate"), &number("enter_time")?, &number("leave_time")?, &all])
        .await?;
    let Some(row) = row else { return Ok(0) };
    let payments: Vec<Value> = serde_json::from_str(params.get("payment_list").map_or("[]", String::as_str))?;
    for entry in &payments {
        let whole = |name: &str| entry[name].as_i64().or_else(|| entry[name].as_str()?.parse().ok()).unwrap_or(0);
        let order = entry["parking_order"].as_str().unwrap_or_default();
        let kind = whole("pay_type") as i32;
        transaction.execute(&payment, &[&park, &order, &kind, &serial, &whole("value"), &whole("pay_time")]).await?;
    }
    if let (Ok(total @ 1..), Ok(remain)) = (number("total_parking_space"), number("remain_parking_space")) {
        transaction.execute(&space, &[&park, &(total as i32), &(remain as i32), &number("leave_time")?]).await?;
    }
    transaction.commit().await?;
    Ok(row.get(0))
}

#[tokio::main]
async fn main() -> Result<(), Failed> {
    let mut args = std::env::args().skip(1);
    let (url, address) = (args.next().ok_or("POSTGRES_URL")?, args.next().ok_or("ADDRESS")?);
    let manager = Manager::from_config(url.parse()?, NoTls, ManagerConfig { recycling_method: RecyclingMethod::Fast });
    let pool = Pool::builder(manager).max_size(32).build()?;
    pool.get().await?.batch_execute(SCHEMA).await?;
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, Router::new().route("/gate/1.0/parking/internal/leave", post(leave)).with_state(pool)).await?;
    Ok(())
}
