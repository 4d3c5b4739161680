//! What stays of a record once its personal data go, or once its stay goes.
//!
//! Sums and what they are of stay: amounts, ways of payment, times, and the free spaces that were reported. A serial, an order
//! or a flow number that may hold a plate gives way to its keyed digest, under which a repeat of the push is still known. Of a
//! stay that goes nothing stays but what a repeat is known by, and the amounts of its payments, which name nobody.

use parkgate_wire::Payment;
use parkgate_wire::push::{entry_text, payment_entries};
use serde_json::{Map, Value};

use crate::plate::{NormalPlate, holds_plate};

/// What stays of a redacted record's parameters: sums, and what they are of.
pub const STAYS: [&str; 20] = [
    "park_uuid",
    "car_type",
    "vehicle_type",
    "charge_type",
    "payment_list",
    "total_value",
    "free_value",
    "online_value",
    "balance_value",
    "cash_value",
    "prepaid_value",
    "total_parking_space",
    "remain_parking_space",
    "release_type",
    "release_time",
    "release_method",
    "flow_no",
    "operate_time",
    "enter_time",
    "leave_time",
];
/// What stays of an entry of its `payment_list`.
const PAYMENT_STAYS: [&str; 6] = ["parking_order", "pay_type", "value", "free_value", "change_value", "pay_time"];
/// What free spaces, the order of updates and taken orders with their amounts are read from: what stays of a record whose stay goes.
const COUNTS: [&str; 4] = ["payment_list", "total_parking_space", "remain_parking_space", "operate_time"];
/// Shorter personal values are part of too many other texts.
const PERSONAL_CHARS_MIN: usize = 4;

/// How much of a record is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Redaction {
    /// Its personal data; it is still shown.
    Personal,
    /// All but what a repeat is known by; its stay is shown no more.
    Whole,
}

/// The orders of a push that were refused, as they are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefusedOrders {
    /// By name.
    Named(Vec<String>),
    /// By where they stand in `payment_list`: a repeat brings their names.
    At(Vec<usize>),
}

impl RefusedOrders {
    /// Their names, as a repeat brings them.
    #[must_use]
    pub fn named(&self, payments: &[Payment]) -> Vec<String> {
        match self {
            RefusedOrders::Named(orders) => orders.clone(),
            RefusedOrders::At(positions) => {
                let order = |position: &usize| payments.get(*position)?.parking_order.clone();
                positions.iter().filter_map(order).collect()
            }
        }
    }
}

/// Takes out of records what goes.
pub struct Redactor<'a> {
    /// How much.
    pub redaction: Redaction,
    /// What is known of the person: wherever it stands, it goes.
    pub plates: &'a [NormalPlate],
    /// The same of the ID data.
    pub personal: &'a [String],
    /// The keyed digest of a text.
    pub digest: &'a dyn Fn(&str) -> String,
}

impl Redactor<'_> {
    /// What stands in place of a serial, an order or a flow number; none where it stays as it is.
    #[must_use]
    pub fn key(&self, text: &str) -> Option<String> {
        let goes = self.redaction == Redaction::Whole || may_hold_plate(text) || self.names_person(text);
        (goes && !text.is_empty()).then(|| (self.digest)(text))
    }

    /// What stays of the parameters.
    #[must_use]
    pub fn params(&self, params: &Map<String, Value>) -> Map<String, Value> {
        let stays: &[&str] = match self.redaction {
            Redaction::Personal => &STAYS,
            Redaction::Whole => &COUNTS,
        };
        let kept = params.iter().filter(|(name, _)| stays.contains(&name.as_str()));
        kept.filter_map(|(name, value)| Some((name.clone(), self.value(name, value.as_str()?)?.into()))).collect()
    }

    fn value(&self, name: &str, text: &str) -> Option<String> {
        match name {
            "payment_list" => self.payment_list(text),
            "flow_no" => Some(self.key(text).unwrap_or_else(|| text.to_owned())),
            _ => (!self.names_person(text)).then(|| text.to_owned()),
        }
    }

    /// Its entries in their places.
    fn payment_list(&self, list: &str) -> Option<String> {
        let mut entries = payment_entries(list).ok()?;
        for entry in &mut entries {
            let fields =
                entry.as_object().into_iter().flatten().filter(|(name, _)| PAYMENT_STAYS.contains(&name.as_str()));
            let kept: Map<String, Value> =
                fields.filter_map(|(name, value)| Some((name.clone(), self.field(name, value)?))).collect();
            *entry = Value::Object(kept);
        }
        serde_json::to_string(&entries).ok()
    }

    fn field(&self, name: &str, value: &Value) -> Option<Value> {
        let text = entry_text(value)?;
        match name {
            "parking_order" => Some(self.key(&text).map_or_else(|| value.clone(), Value::String)),
            "pay_type" => Some(value.clone()),
            _ => (!self.names_person(&text)).then(|| value.clone()),
        }
    }

    /// Refused orders, given the orders of the push's `payment_list`: by their places, if any of them goes.
    #[must_use]
    pub fn refused(&self, refused: RefusedOrders, orders: &[Option<String>]) -> RefusedOrders {
        match refused {
            RefusedOrders::Named(names) if names.iter().any(|order| self.key(order).is_some()) => {
                let place = |name: &String| orders.iter().position(|order| order.as_ref() == Some(name));
                RefusedOrders::At(names.iter().filter_map(place).collect())
            }
            refused => refused,
        }
    }

    fn names_person(&self, text: &str) -> bool {
        let is_named = |value: &&String| value.chars().count() >= PERSONAL_CHARS_MIN && text.contains(value.as_str());
        self.plates.iter().any(|plate| holds_plate(text, plate)) || self.personal.iter().any(|value| is_named(&value))
    }
}

/// May a serial or an order hold a plate? Only what is plainly a number, a UUID or a hash does not: car parks put plates into
/// both, with or without the first character, in Latin letters, too.
#[must_use]
pub fn may_hold_plate(text: &str) -> bool {
    const HASH_LENGTHS: [usize; 3] = [32, 40, 64];
    let is_separator = |letter: char| matches!(letter, '-' | '_' | '.' | ':' | '/' | ' ' | ',');
    let letters = || text.chars().filter(|letter| !is_separator(*letter));
    let is_number = letters().all(|letter| letter.is_ascii_digit());
    let is_hash = letters().all(|letter| letter.is_ascii_hexdigit()) && HASH_LENGTHS.contains(&letters().count());
    !is_number && !is_hash
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn redactor(redaction: Redaction, plates: &[NormalPlate]) -> Redactor<'_> {
        Redactor { redaction, plates, personal: &[], digest: &|text| format!("#{}", text.len()) }
    }

    #[test]
    fn what_may_hold_a_plate_is_all_but_numbers_uuids_and_hashes() {
        for text in ["1624937505193", "", "2026-11-25 0001", "49f0cc52-e8c7-41e3-b54d-af666b8cc11a", &"aB".repeat(16)] {
            assert!(!may_hold_plate(text), "{text}");
        }
        for text in ["粤B12345", "B12345", "20261125b12345", "S1", "P-0001", "abcdef", &"a".repeat(31)] {
            assert!(may_hold_plate(text), "{text}");
        }
    }

    #[test]
    fn sums_and_what_they_are_of_stay_of_a_redacted_record() {
        let plates = [NormalPlate::of("粤B12345").unwrap()];
        let params = json!({
            "parking_serial": "1", "plate": "粤B12345", "car_type": "1", "charge_type": "月租 粤Ｂ·12345", "total_value": "500",
            "operator": "张三", "enter_time": "1", "flow_no": "粤B12345-7", "leave_image": "http://x/粤B12345.jpg",
            "payment_list": r#"[{"parking_order":16249375051930,"pay_type":1,"value":"500","payer":"粤B12345"},7,
                {"parking_order":"B12345-1","pay_type":"2"}]"#,
        });
        let kept = redactor(Redaction::Personal, &plates).params(params.as_object().unwrap());
        let expected = json!({
            "car_type": "1", "total_value": "500", "enter_time": "1", "flow_no": "#11",
            "payment_list":
                r##"[{"parking_order":16249375051930,"pay_type":1,"value":"500"},{},{"parking_order":"#8","pay_type":"2"}]"##,
        });
        assert_eq!(Value::Object(kept), expected);
    }

    #[test]
    fn what_counts_stays_of_a_record_whose_stay_goes() {
        let params = json!({
            "car_type": "1", "total_value": "500", "total_parking_space": "9", "remain_parking_space": "3", "operate_time": "1",
            "payment_list": r#"[{"parking_order":"77","pay_type":1,"value":"500"}]"#,
        });
        let kept = redactor(Redaction::Whole, &[]).params(params.as_object().unwrap());
        let expected = json!({
            "total_parking_space": "9", "remain_parking_space": "3", "operate_time": "1",
            "payment_list": r##"[{"parking_order":"#2","pay_type":1,"value":"500"}]"##,
        });
        assert_eq!(Value::Object(kept), expected);
        assert_eq!(redactor(Redaction::Whole, &[]).params(&Map::new()), Map::new());
    }

    #[test]
    fn refused_orders_that_go_are_known_by_their_places() {
        let orders = ["77", "A", "A", "B"].map(|order| Some(order.to_owned()));
        let named = |names: &[&str]| RefusedOrders::Named(names.iter().map(|name| (*name).to_owned()).collect());
        let personal = redactor(Redaction::Personal, &[]);
        assert_eq!(personal.refused(named(&["77"]), &orders), named(&["77"]));
        let at = personal.refused(named(&["A", "B"]), &orders);
        assert_eq!(at, RefusedOrders::At(vec![1, 3]));
        let payments = orders.clone().map(|parking_order| Payment { parking_order, ..Payment::default() });
        assert_eq!(at.named(&payments), ["A", "B"]);
        assert_eq!(redactor(Redaction::Whole, &[]).refused(at.clone(), &orders), at);
        assert_eq!(redactor(Redaction::Whole, &[]).refused(named(&["77"]), &orders), RefusedOrders::At(vec![0]));
    }
}
