//! The car park's own books, to be compared with the platform's.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::by_hand::PlateCorrection;
use super::fee::Bill;

/// So many corrected plates are named: enough for a day, and bounded for a month.
const NAMED_MAX: usize = 1000;

/// Counts and sums; amounts in fen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Books {
    spaces: u32,
    pub(super) enters: u64,
    pub(super) leaves: u64,
    pub(super) inside: u32,
    pub(super) turned_away: u64,
    /// Barriers opened by hand.
    pub(super) releases: u64,
    /// Plates corrected.
    pub(super) updates: u64,
    /// Serials and their plates now, the first of them.
    corrected: BTreeMap<String, String>,
    payments: u64,
    /// By `pay_type`, 1 to 4.
    paid: [u64; 4],
    total: u64,
    /// Records that were delayed by the line.
    pub(super) late: u64,
    pub(super) held_up: u64,
    pub(super) repeated: u64,
    pub(super) conflicting: u64,
}

impl Books {
    pub(super) fn new(spaces: u32) -> Books {
        Books { spaces, ..Books::default() }
    }

    pub(super) fn remain(&self) -> u32 {
        self.spaces.saturating_sub(self.inside)
    }

    pub(super) fn entered(&mut self) {
        self.enters += 1;
        self.inside += 1;
    }

    pub(super) fn corrected(&mut self, correction: &PlateCorrection) {
        self.updates += 1;
        if self.corrected.len() < NAMED_MAX {
            self.corrected.insert(correction.serial.clone(), correction.plate.text.clone());
        }
    }

    pub(super) fn left(&mut self, bill: &Bill) {
        self.leaves += 1;
        self.inside = self.inside.saturating_sub(1);
        self.total += bill.total;
        self.payments += bill.payments.len() as u64;
        for payment in &bill.payments {
            if let Some(paid) = self.paid.get_mut(usize::from(payment.pay_type.saturating_sub(1))) {
                *paid += payment.value;
            }
        }
    }

    /// The plates that visits must show.
    pub(super) fn corrected_plates(&self) -> Value {
        json!(self.corrected)
    }

    pub(super) fn to_json(&self) -> Value {
        let [cash, online, auto, balance] = self.paid;
        json!({
            "enters": self.enters,
            "leaves": self.leaves,
            "inside": self.inside,
            "turned_away": self.turned_away,
            "releases": self.releases,
            "updates": self.updates,
            "total_parking_space": self.spaces,
            "remain_parking_space": self.remain(),
            "payments": self.payments,
            "paid": { "1": cash, "2": online, "3": auto, "4": balance },
            "total_value": self.total,
            "late": self.late,
            "held_up": self.held_up,
            "repeated": self.repeated,
            "conflicting": self.conflicting,
        })
    }
}
