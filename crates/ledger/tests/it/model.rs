//! A naive model of the rules: every question is answered by going through all arrivals from the first.

use std::collections::BTreeMap;

use parkgate_ledger::{Arrival, Verdict};
use parkgate_wire::{Digest, PushKind};

/// The verdict on each arrival.
pub(crate) fn verdicts(arrivals: &[Arrival]) -> Vec<Verdict> {
    let mut verdicts: Vec<Verdict> = Vec::new();
    for (index, arrival) in arrivals.iter().enumerate() {
        let before = &arrivals[..index];
        let same_key =
            |other: &&Arrival| other.park == arrival.park && other.kind == arrival.kind && key(other) == key(arrival);
        let verdict = match before.iter().position(|other| same_key(&other)) {
            None => Verdict::Recorded { refused_orders: refused(arrivals, index) },
            Some(first) if arrivals[first].digest == arrival.digest => {
                Verdict::Repeated { seqno: arrivals[first].seqno, refused_orders: refused(arrivals, first) }
            }
            Some(_) => {
                let same_content = |other: &&Arrival| same_key(other) && other.digest == arrival.digest;
                let seqno = before.iter().find(same_content).map_or(arrival.seqno, |other| other.seqno);
                Verdict::Conflict { seqno, key: shown(arrival) }
            }
        };
        verdicts.push(verdict);
    }
    verdicts
}

/// What makes it unique among its kind.
fn key(arrival: &Arrival) -> String {
    arrival.own_key.clone().unwrap_or_else(|| arrival.parking_serial.clone())
}

/// The key as hints name it.
fn shown(arrival: &Arrival) -> String {
    if arrival.kind == PushKind::Update { key(arrival) } else { arrival.parking_serial.clone() }
}

/// Does it count that a vehicle left: a leave, or without one the last update that says so?
fn counts_leave(arrivals: &[Arrival], index: usize) -> bool {
    let arrival = &arrivals[index];
    let of_stay = |other: &usize| {
        let other_arrival = &arrivals[*other];
        is_first(arrivals, *other)
            && other_arrival.park == arrival.park
            && other_arrival.parking_serial == arrival.parking_serial
    };
    let stay: Vec<usize> = (0..arrivals.len()).filter(of_stay).collect();
    let leave = stay.iter().find(|other| arrivals[**other].kind == PushKind::Leave);
    let updates = stay.iter().filter(|other| arrivals[**other].gives_leave);
    let last = updates.max_by_key(|other| (arrivals[**other].done_at, arrivals[**other].received_at));
    leave.or(last) == Some(&index)
}

/// Is it the first of its kind under its serial?
fn is_first(arrivals: &[Arrival], index: usize) -> bool {
    let arrival = &arrivals[index];
    !arrivals[..index]
        .iter()
        .any(|other| other.park == arrival.park && other.kind == arrival.kind && key(other) == key(arrival))
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
        let leaves: Vec<bool> = (0..arrivals.len())
            .filter(|index| arrivals[*index].park == park && is_first(arrivals, *index))
            .map(|index| counts_leave(arrivals, index))
            .collect();
        // Of two snapshots of the same moment, the one that arrived later.
        let newest = firsts.iter().filter(|arrival| arrival.space.is_some()).max_by_key(|arrival| as_of(arrival));
        let later = firsts
            .iter()
            .zip(leaves)
            .filter(|(arrival, _)| arrival.space.is_none())
            .filter(|(arrival, _)| newest.is_none_or(|newest| as_of(arrival) > as_of(newest)))
            .map(|(arrival, leaves)| if arrival.kind == PushKind::Enter { -1 } else { i64::from(leaves) })
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
