//! A naive model of the rules: every question is answered by going through all arrivals from the first.

use std::collections::BTreeMap;

use parkgate_ledger::{Arrival, Verdict};
use parkgate_wire::{Digest, PushKind};

/// The verdict on each arrival.
pub(crate) fn verdicts(arrivals: &[Arrival]) -> Vec<Verdict> {
    let mut verdicts: Vec<Verdict> = Vec::new();
    for (index, arrival) in arrivals.iter().enumerate() {
        let before = &arrivals[..index];
        let same_key = |other: &&Arrival| {
            other.park == arrival.park && other.kind == arrival.kind && other.parking_serial == arrival.parking_serial
        };
        let verdict = match before.iter().position(|other| same_key(&other)) {
            None => Verdict::Recorded { refused_orders: refused(arrivals, index) },
            Some(first) if arrivals[first].digest == arrival.digest => {
                Verdict::Repeated { seqno: arrivals[first].seqno, refused_orders: refused(arrivals, first) }
            }
            Some(_) => {
                let same_content = |other: &&Arrival| same_key(other) && other.digest == arrival.digest;
                let seqno = before.iter().find(same_content).map_or(arrival.seqno, |other| other.seqno);
                Verdict::Conflict { seqno, parking_serial: arrival.parking_serial.clone() }
            }
        };
        verdicts.push(verdict);
    }
    verdicts
}

/// Is it the first of its kind under its serial?
fn is_first(arrivals: &[Arrival], index: usize) -> bool {
    let arrival = &arrivals[index];
    !arrivals[..index].iter().any(|other| {
        other.park == arrival.park && other.kind == arrival.kind && other.parking_serial == arrival.parking_serial
    })
}

/// The orders of this first arrival that were taken before it, or earlier in its own list.
fn refused(arrivals: &[Arrival], index: usize) -> Vec<String> {
    let arrival = &arrivals[index];
    let mut refused: Vec<String> = Vec::new();
    for (position, payment) in arrival.payments.iter().enumerate() {
        let Some(order) = &payment.parking_order else { continue };
        let same = |other: &parkgate_wire::Payment| {
            other.parking_order.as_ref() == Some(order) && other.pay_type == payment.pay_type
        };
        let earlier = (0..index)
            .filter(|other| arrivals[*other].park == arrival.park && is_first(arrivals, *other))
            .any(|other| arrivals[other].payments.iter().any(same));
        if (earlier || arrival.payments[..position].iter().any(same)) && !refused.contains(order) {
            refused.push(order.clone());
        }
    }
    refused
}

/// `(reported remain, counted later)` of each park: the newest snapshot, and what was counted after it.
pub(crate) fn spaces(arrivals: &[Arrival]) -> BTreeMap<i64, (Option<u32>, i64)> {
    let mut spaces = BTreeMap::new();
    for park in arrivals.iter().map(|arrival| arrival.park) {
        let firsts: Vec<&Arrival> = (0..arrivals.len())
            .filter(|index| arrivals[*index].park == park && is_first(arrivals, *index))
            .map(|index| &arrivals[index])
            .collect();
        // Of two snapshots of the same moment, the one that arrived later.
        let newest = firsts.iter().filter(|arrival| arrival.space.is_some()).max_by_key(|arrival| as_of(arrival));
        let later = firsts
            .iter()
            .filter(|arrival| arrival.space.is_none())
            .filter(|arrival| newest.is_none_or(|newest| as_of(arrival) > as_of(newest)))
            .map(|arrival| if arrival.kind == PushKind::Enter { -1 } else { 1 })
            .sum();
        spaces.insert(park.0, (newest.and_then(|newest| newest.space).map(|space| space.remain), later));
    }
    spaces
}

/// When it happened; but what claims to happen more than ten minutes after its receipt counts as of the receipt.
fn as_of(arrival: &Arrival) -> i64 {
    let is_ahead = arrival.event_time.0 - arrival.received_at.0 > 600_000;
    if is_ahead { arrival.received_at.0 } else { arrival.event_time.0 }
}

/// Two contents differ if the rules see any difference.
pub(crate) fn digest(text: &str) -> Digest {
    let mut bytes = [0_u8; 16];
    for (index, byte) in text.bytes().enumerate() {
        let slot = &mut bytes[index % 16];
        *slot = slot.rotate_left(3) ^ byte.wrapping_add(index as u8);
    }
    Digest(bytes)
}
