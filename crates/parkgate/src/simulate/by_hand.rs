//! What the operator does: opens the barrier by hand, and corrects what the camera misread.

use fastrand::Rng;
use parkgate_wire::UnixMillis;

use super::plate::Plate;
use super::stay::{SimulatedStay, sent};

const MINUTE_MS: i64 = 60_000;
/// Of the corrections, in percent, made only after the vehicle has left: when its driver complains, or the day is closed.
const AFTER_THE_LEAVE: u8 = 30;
const OPERATORS: [&str; 3] = ["张三", "李四", "王五"];
const REASONS: [&str; 4] = ["道闸故障", "无牌车放行", "特种车辆放行", "支付异常放行"];

/// A release at the exit. Where the camera saw no plate, the operator writes that there is none.
pub(super) fn release(rng: &mut Rng, stay: &SimulatedStay, now: i64) -> Vec<(String, String)> {
    let plate = if stay.plate.text.is_empty() { "无牌车" } else { &stay.plate.text };
    sent([
        ("release_type", "2".into()),
        ("parking_serial", stay.serial.clone()),
        ("plate", plate.to_owned()),
        ("plate_color", stay.plate.color.to_string()),
        ("release_time", UnixMillis(now).to_iso()),
        ("gate_name", "西门出口".into()),
        ("gate_id", "2".into()),
        ("car_type", stay.car_type.to_string()),
        ("operator", one_of(rng, &OPERATORS)),
        ("reason", one_of(rng, &REASONS)),
        ("release_method", "1".into()),
    ])
}

/// A plate as it should have been read.
#[derive(Debug)]
pub(super) struct PlateCorrection {
    pub(super) serial: String,
    pub(super) plate: Plate,
    operator: String,
}

impl PlateCorrection {
    /// When a stay is corrected, and how.
    pub(super) fn of(rng: &mut Rng, stay: &SimulatedStay, entered: i64, leaves: i64) -> (i64, PlateCorrection) {
        let time = match rng.u8(..100) < AFTER_THE_LEAVE {
            true => leaves + rng.i64(1..120) * MINUTE_MS,
            false => rng.i64(entered + 1..leaves),
        };
        let (serial, operator) = (stay.serial.clone(), one_of(rng, &OPERATORS));
        (time, PlateCorrection { serial, plate: stay.plate.corrected(rng), operator })
    }

    /// The update that says so.
    pub(super) fn params(&self, now: i64) -> Vec<(String, String)> {
        sent([
            ("flow_no", format!("{}-1", self.serial)),
            ("parking_serial", self.serial.clone()),
            ("plate", self.plate.text.clone()),
            ("plate_color", self.plate.color.to_string()),
            ("operate_time", UnixMillis(now).to_iso()),
            ("operator", self.operator.clone()),
            ("reason", "车牌识别错误".into()),
        ])
    }
}

fn one_of(rng: &mut Rng, texts: &[&str]) -> String {
    (*rng.choice(texts).unwrap_or(&"")).to_owned()
}
