//! Enters, leaves, payments, releases and updates with the document's names and units, for software that does not want to spell out parameters.
//!
//! Amounts are whole fen. What has no method of its own is set by [`Leave::param`].

use std::path::Path;

use bytes::Bytes;
use parkgate_wire::UnixMillis;
use serde_json::{Map, Value, json};

use crate::draft::Draft;

mod by_hand;

pub use self::by_hand::{Release, ReleaseType, Update};

/// `car_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CarType {
    /// `1` 临停车辆: pays per stay.
    Temporary,
    /// `2` 月卡车辆: pays by the month.
    Monthly,
    /// `3` 贵宾车辆(免费车): does not pay.
    Free,
    /// `4` 储值车辆: pays from a balance.
    StoredValue,
    /// `0` 其他未知.
    Other,
}

/// `plate_color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlateColor {
    /// `1` 蓝.
    Blue,
    /// `2` 黄.
    Yellow,
    /// `3` 白.
    White,
    /// `4` 黑.
    Black,
    /// `5` 绿.
    Green,
    /// `-1`: another one, or not recognised.
    Unknown,
}

/// `pay_type` of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayType {
    /// `1` cash.
    Cash,
    /// `2` online.
    Online,
    /// `3` automatic, without the driver's action.
    Auto,
    /// `4` from a stored balance.
    StoredValue,
    /// `8` a coupon.
    Coupon,
}

/// One entry of `payment_list`.
#[derive(Debug, Clone)]
pub struct LeavePayment(Map<String, Value>);

impl LeavePayment {
    /// `value` fen were received at `pay_time` for `parking_order`, which stays the same over all retries.
    #[must_use]
    pub fn new(parking_order: &str, pay_type: PayType, value: u64, pay_time: UnixMillis) -> Self {
        let pay_type = match pay_type {
            PayType::Cash => 1,
            PayType::Online => 2,
            PayType::Auto => 3,
            PayType::StoredValue => 4,
            PayType::Coupon => 8,
        };
        let fields = json!({
            "parking_order": parking_order,
            "pay_type": pay_type,
            "value": value,
            "pay_time": pay_time.to_string(),
        });
        LeavePayment(match fields {
            Value::Object(fields) => fields,
            _ => Map::new(),
        })
    }

    /// `free_value`: fen given free.
    #[must_use]
    pub fn free(self, fen: u64) -> Self {
        self.field("free_value", fen)
    }

    /// `change_value`: fen of change due, cash only.
    #[must_use]
    pub fn change(self, fen: u64) -> Self {
        self.field("change_value", fen)
    }

    /// Any other field of the entry: `operator`, `pay_origin_desc`.
    #[must_use]
    pub fn field(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }
}

/// A vehicle that entered.
#[derive(Debug, Clone)]
pub struct Enter {
    draft: Draft,
}

/// A vehicle that left.
#[derive(Debug, Clone)]
pub struct Leave {
    draft: Draft,
    payments: Vec<Value>,
}

/// What both have in common: the vehicle, and when it entered.
fn stay(parking_serial: &str, enter_time: UnixMillis, car_type: CarType, car_desc: &str) -> Draft {
    kind_of_car(Draft::default(), car_type, car_desc)
        .param("parking_serial", parking_serial)
        .param("enter_time", &enter_time.to_string())
        .param("plate_color", "-1")
}

fn kind_of_car(draft: Draft, car_type: CarType, car_desc: &str) -> Draft {
    let car_type = match car_type {
        CarType::Temporary => "1",
        CarType::Monthly => "2",
        CarType::Free => "3",
        CarType::StoredValue => "4",
        CarType::Other => "0",
    };
    draft.param("car_type", car_type).param("car_desc", car_desc)
}

pub(crate) fn plate(draft: Draft, plate: &str, color: PlateColor) -> Draft {
    let color = match color {
        PlateColor::Blue => "1",
        PlateColor::Yellow => "2",
        PlateColor::White => "3",
        PlateColor::Black => "4",
        PlateColor::Green => "5",
        PlateColor::Unknown => "-1",
    };
    draft.param("plate", plate).param("plate_color", color)
}

fn space(draft: Draft, total: u32, remain: u32) -> Draft {
    draft.param("total_parking_space", &total.to_string()).param("remain_parking_space", &remain.to_string())
}

impl Enter {
    /// `parking_serial` is the car park's own and is used only once; `car_desc` is what the car park calls this kind of vehicle.
    #[must_use]
    pub fn new(parking_serial: &str, enter_time: UnixMillis, car_type: CarType, car_desc: &str) -> Self {
        Enter { draft: stay(parking_serial, enter_time, car_type, car_desc) }
    }

    /// `plate` and `plate_color`.
    #[must_use]
    pub fn plate(self, text: &str, color: PlateColor) -> Self {
        Enter { draft: plate(self.draft, text, color) }
    }

    /// `total_parking_space` and `remain_parking_space` after it entered.
    #[must_use]
    pub fn space(self, total: u32, remain: u32) -> Self {
        Enter { draft: space(self.draft, total, remain) }
    }

    /// The picture of the vehicle (`enter_image_file`); its hash is computed.
    #[must_use]
    pub fn image(self, path: impl AsRef<Path>) -> Self {
        Enter { draft: self.draft.file("enter_image_file", path) }
    }

    /// The same from memory.
    #[must_use]
    pub fn image_bytes(self, bytes: impl Into<Bytes>) -> Self {
        Enter { draft: self.draft.file_bytes("enter_image_file", bytes) }
    }

    /// Any other parameter by its protocol name.
    #[must_use]
    pub fn param(self, name: &str, value: &str) -> Self {
        Enter { draft: self.draft.param(name, value) }
    }
}

impl Leave {
    /// As [`Enter::new`]; `enter_time` is that of its enter, to the millisecond (`leave.md`, note 9).
    #[must_use]
    pub fn new(
        parking_serial: &str,
        enter_time: UnixMillis,
        leave_time: UnixMillis,
        car_type: CarType,
        car_desc: &str,
    ) -> Self {
        let draft = stay(parking_serial, enter_time, car_type, car_desc).param("leave_time", &leave_time.to_string());
        Leave { draft, payments: Vec::new() }
    }

    /// `plate` and `plate_color`.
    #[must_use]
    pub fn plate(self, text: &str, color: PlateColor) -> Self {
        Leave { draft: plate(self.draft, text, color), ..self }
    }

    /// Adds a payment.
    #[must_use]
    pub fn payment(mut self, payment: LeavePayment) -> Self {
        self.payments.push(Value::Object(payment.0));
        self
    }

    /// `charge_type` as the platform lists it.
    #[must_use]
    pub fn charge_type(self, charge_type: &str) -> Self {
        self.param("charge_type", charge_type)
    }

    /// `total_value`: all that was due, in fen: the sum of what was given free and of what was paid in each way.
    #[must_use]
    pub fn total(self, fen: u64) -> Self {
        self.param("total_value", &fen.to_string())
    }

    /// `total_parking_space` and `remain_parking_space` after it left.
    #[must_use]
    pub fn space(self, total: u32, remain: u32) -> Self {
        Leave { draft: space(self.draft, total, remain), ..self }
    }

    /// The picture of the vehicle (`leave_image_file`); its hash is computed.
    #[must_use]
    pub fn image(self, path: impl AsRef<Path>) -> Self {
        Leave { draft: self.draft.file("leave_image_file", path), ..self }
    }

    /// The same from memory.
    #[must_use]
    pub fn image_bytes(self, bytes: impl Into<Bytes>) -> Self {
        Leave { draft: self.draft.file_bytes("leave_image_file", bytes), ..self }
    }

    /// Any other parameter by its protocol name.
    #[must_use]
    pub fn param(self, name: &str, value: &str) -> Self {
        Leave { draft: self.draft.param(name, value), ..self }
    }
}

impl From<Enter> for Draft {
    fn from(enter: Enter) -> Draft {
        enter.draft
    }
}

impl From<Leave> for Draft {
    fn from(leave: Leave) -> Draft {
        match leave.payments.as_slice() {
            [] => leave.draft,
            payments => leave.draft.param("payment_list", &Value::from(payments).to_string()),
        }
    }
}
