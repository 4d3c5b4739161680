//! What a stay costs and how it is paid, in every way the document knows.

use fastrand::Rng;
use serde_json::{Value, json};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
/// Fen an hour, and at most per day.
const HOURLY: u64 = 500;
const DAILY_MAX: u64 = 4000;

/// Totals and payments of one leave, in fen.
#[derive(Debug, Clone, Default)]
pub(super) struct Bill {
    pub(super) total: u64,
    pub(super) free: u64,
    pub(super) online: u64,
    pub(super) balance: u64,
    pub(super) cash: u64,
    pub(super) prepaid: u64,
    pub(super) payments: Vec<SimulatedPayment>,
}

/// One payment, in fen.
#[derive(Debug, Clone)]
pub(super) struct SimulatedPayment {
    pub(super) order: String,
    pub(super) pay_type: u8,
    pub(super) value: u64,
    free: u64,
    change: u64,
    pay_time: i64,
}

impl SimulatedPayment {
    /// As the document's example writes it.
    pub(super) fn to_json(&self) -> Value {
        let origin = match self.pay_type {
            1 => "现金",
            2 => "微信",
            3 => "无感支付",
            _ => "储值卡余额支付",
        };
        json!({
            "change_value": self.change.to_string(),
            "free_value": self.free,
            "operator": if self.pay_type == 1 { "张三" } else { "" },
            "parking_order": self.order,
            "pay_origin_desc": origin,
            "pay_time": self.pay_time.to_string(),
            "pay_type": self.pay_type.to_string(),
            "value": self.value,
        })
    }
}

impl Bill {
    /// Monthly and free vehicles pay nothing here; the first half hour is free.
    pub(super) fn of(rng: &mut Rng, serial: &str, car_type: u8, enter_time: i64, leave_time: i64) -> Bill {
        let due = due(leave_time - enter_time);
        if due == 0 || !matches!(car_type, 1 | 4) {
            return Bill::default();
        }
        let free = if rng.u8(..10) == 0 { due.min(HOURLY) } else { 0 };
        let mut bill = Bill { total: due, free, ..Bill::default() };
        let rest = due - free;
        if rest == 0 {
            return bill;
        }
        let order = format!("PO{serial}");
        let pay_time = leave_time - rng.i64(1_000..5 * MINUTE_MS);
        match (car_type, rng.u8(..100)) {
            (4, _) => bill.pay(&order, 4, rest, 0, pay_time),
            (_, 0..15) => {
                // Paid with a note; the machine owes the change.
                let note = rest.div_ceil(1000) * 1000;
                bill.pay(&order, 1, rest, note - rest, pay_time);
            }
            (_, 15..30) => bill.pay(&order, 3, rest, 0, pay_time),
            // Left first and charged later: nothing was paid at the barrier.
            (_, 30..33) => bill.prepaid = rest,
            // One order paid in two ways, as in the document's signed example.
            (_, 33..38) if rest > 500 => {
                bill.pay(&order, 2, rest - 500, 0, pay_time);
                bill.pay(&order, 4, 500, 0, pay_time);
            }
            // Paid in advance, and the rest at the barrier.
            (_, 38..43) if rest > 500 => {
                bill.pay(&format!("{order}-1"), 2, rest - 500, 0, pay_time - 20 * MINUTE_MS);
                bill.pay(&format!("{order}-2"), 1, 500, 0, pay_time);
            }
            _ => bill.pay(&order, 2, rest, 0, pay_time),
        }
        if let Some(first) = bill.payments.first_mut() {
            first.free = free;
        }
        bill
    }

    fn pay(&mut self, order: &str, pay_type: u8, value: u64, change: u64, pay_time: i64) {
        match pay_type {
            1 => self.cash += value,
            4 => self.balance += value,
            _ => self.online += value,
        }
        self.payments.push(SimulatedPayment { order: order.to_owned(), pay_type, value, free: 0, change, pay_time });
    }
}

fn due(stay_ms: i64) -> u64 {
    if stay_ms <= 30 * MINUTE_MS {
        return 0;
    }
    let hours = stay_ms.unsigned_abs().div_ceil(HOUR_MS.unsigned_abs());
    let (days, rest) = (hours / 24, hours % 24);
    days * DAILY_MAX + (rest * HOURLY).min(DAILY_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_the_sum_of_their_parts_and_of_the_payments() {
        let mut rng = Rng::with_seed(7);
        let mut ways = [0; 5];
        for number in 0..5_000 {
            let (car_type, stay) = (rng.u8(0..5), rng.i64(0..40 * HOUR_MS));
            let enter = 1_700_000_000_000;
            let bill = Bill::of(&mut rng, &format!("S{number}"), car_type, enter, enter + stay);
            assert_eq!(bill.total, bill.free + bill.online + bill.balance + bill.cash + bill.prepaid);
            let paid: u64 = bill.payments.iter().map(|payment| payment.value).sum();
            assert_eq!(paid, bill.online + bill.balance + bill.cash);
            bill.payments.iter().for_each(|payment| ways[usize::from(payment.pay_type)] += 1);
        }
        assert!(ways[1..].iter().all(|count| *count > 10), "every way of payment occurs: {ways:?}");
    }
}
