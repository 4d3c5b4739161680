"""The same in FastAPI and asyncpg, as it is usually written: uvicorn with two workers.  DATABASE=postgres://… """
import hashlib
import json
import os
from contextlib import asynccontextmanager

import asyncpg
from fastapi import FastAPI, Request

SCHEMA = """
CREATE TABLE IF NOT EXISTS leaves (
    park_uuid text NOT NULL, parking_serial text NOT NULL, plate text, enter_time bigint NOT NULL, leave_time bigint NOT NULL,
    params jsonb NOT NULL, seqno bigserial, received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (park_uuid, parking_serial));
CREATE TABLE IF NOT EXISTS payments (
    park_uuid text NOT NULL, parking_order text NOT NULL, pay_type int NOT NULL, parking_serial text NOT NULL,
    value bigint NOT NULL, pay_time bigint, PRIMARY KEY (park_uuid, parking_order, pay_type));
CREATE TABLE IF NOT EXISTS spaces (park_uuid text PRIMARY KEY, total int NOT NULL, remain int NOT NULL, as_of bigint NOT NULL);
"""


@asynccontextmanager
async def started(app):
    app.state.pool = await asyncpg.create_pool(os.environ["DATABASE"], min_size=4, max_size=16)
    yield
    await app.state.pool.close()


app = FastAPI(lifespan=started)


@app.post("/gate/1.0/parking/internal/leave")
async def leave(request: Request):
    params = dict(await request.form())
    text = "&".join(f"{name}={params[name]}" for name in sorted(params) if name != "sign")
    if hashlib.md5(f"{text}&app_secret=123".encode()).hexdigest() != params.get("sign", "").lower():
        return {"code": "200", "message": "已忽略当前请求", "hint": "签名验证不通过"}
    park, serial, left = params["park_uuid"], params["parking_serial"], int(params["leave_time"])
    async with request.app.state.pool.acquire() as connection, connection.transaction():
        seqno = await connection.fetchval(
            "INSERT INTO leaves (park_uuid, parking_serial, plate, enter_time, leave_time, params) "
            "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING seqno",
            park, serial, params.get("plate"), int(params["enter_time"]), left, json.dumps(params))
        if seqno:
            for entry in json.loads(params.get("payment_list", "[]")):
                await connection.execute(
                    "INSERT INTO payments VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
                    park, entry["parking_order"], int(entry["pay_type"]), serial, int(entry["value"]), int(entry["pay_time"]))
            if int(params.get("total_parking_space", 0)) > 0:
                await connection.execute(
                    "INSERT INTO spaces VALUES ($1, $2, $3, $4) ON CONFLICT (park_uuid) DO UPDATE SET total = excluded.total, "
                    "remain = excluded.remain, as_of = excluded.as_of WHERE spaces.as_of < excluded.as_of",
                    park, int(params["total_parking_space"]), int(params["remain_parking_space"]), left)
    return {"code": "200", "message": "OK", "seqno": f"{seqno or 0:016x}"}
