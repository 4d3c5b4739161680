//! The traffic of one car park as an endless, repeatable sequence: who comes when, how long they stay, how they pay;
//! and how its records go out on an imperfect line. Pure: the same seed and start give the same uploads.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use fastrand::Rng;
use parkgate_wire::PushKind;

use super::books::Books;
use super::by_hand::{self, PlateCorrection};
use super::fee::Bill;
use super::plate::Plate;
use super::stay::{SimulatedStay, sent};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Vehicles a day for each space.
const TURNOVER: f64 = 4.0;
/// The share of a day's arrivals in each hour, in percent; local time is UTC+8.
const ARRIVALS: [f64; 24] = [
    0.6, 0.4, 0.3, 0.3, 0.5, 1.2, 3.0, 6.5, 9.0, 7.5, 6.0, 6.0, 6.5, 6.0, 5.0, 4.5, 4.5, 6.0, 8.0, 7.0, 4.7, 3.5, 2.0,
    1.0,
];

/// A profile of the traffic.
#[derive(Debug, Clone)]
pub(super) struct TrafficProfile {
    pub(super) seed: u64,
    /// When it begins, ms since 1970; the car park is empty then.
    pub(super) start: i64,
    pub(super) spaces: u32,
    /// The share of records that are sent twice, late, out of order or with other content; also whether the line fails.
    pub(super) faults: f64,
    /// The share of vehicles that are released by hand, and of those whose plate is corrected.
    pub(super) by_hand: f64,
    /// Do records report the free spaces (note 5), or does the platform count?
    pub(super) reports_space: bool,
}

/// One record on its way to the platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Upload {
    pub(super) kind: PushKind,
    pub(super) serial: String,
    pub(super) params: Vec<(String, String)>,
    pub(super) plate: Plate,
    /// When the vehicle passed the barrier, ms since 1970.
    pub(super) happened_at: i64,
    /// Other content under the same serial: the platform keeps the first.
    pub(super) is_conflict: bool,
}

/// What will happen to a vehicle that is inside, or has left.
#[derive(Debug)]
enum Event {
    Leave(SimulatedStay),
    Correct(PlateCorrection),
}

/// Ordered by time, and by number where times are equal.
#[derive(Debug)]
struct Timed<T> {
    time: i64,
    number: u64,
    what: T,
}

impl<T> PartialEq for Timed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}
impl<T> Eq for Timed<T> {}
impl<T> PartialOrd for Timed<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<T> Ord for Timed<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.time, self.number).cmp(&(other.time, other.number))
    }
}

/// The sequence of uploads.
pub(super) struct Traffic {
    profile: TrafficProfile,
    rng: Rng,
    /// Nothing happens after this time; what is under way still arrives.
    end: i64,
    next_arrival: i64,
    ahead: BinaryHeap<Reverse<Timed<Event>>>,
    on_the_way: BinaryHeap<Reverse<Timed<Upload>>>,
    /// When the line is down, from and to.
    outage: (i64, i64),
    number: u64,
    /// The car park's own books.
    pub(super) books: Books,
}

impl Traffic {
    /// Starts with an empty car park; ends at `end`, ms since 1970.
    pub(super) fn new(profile: TrafficProfile, end: i64) -> Traffic {
        let mut rng = Rng::with_seed(profile.seed);
        let outage = next_outage(&mut rng, profile.start);
        let books = Books::new(profile.spaces);
        let mut traffic = Traffic {
            next_arrival: profile.start,
            profile,
            rng,
            end,
            ahead: BinaryHeap::new(),
            on_the_way: BinaryHeap::new(),
            outage,
            number: 0,
            books,
        };
        traffic.next_arrival = traffic.arrival_after(traffic.next_arrival);
        traffic
    }

    /// Nothing happens from now on; what is under way still arrives.
    pub(super) fn close(&mut self) {
        self.end = i64::MIN;
    }

    /// The time up to which everything has happened, ms since 1970.
    pub(super) fn clock(&self) -> i64 {
        self.next_event().unwrap_or(self.end)
    }

    fn next_event(&self) -> Option<i64> {
        Some(self.next_of_those_inside().min(self.next_arrival)).filter(|time| *time < self.end)
    }

    fn next_of_those_inside(&self) -> i64 {
        self.ahead.peek().map_or(i64::MAX, |Reverse(event)| event.time)
    }

    /// Drawn from a rate that changes by the hour.
    fn arrival_after(&mut self, time: i64) -> i64 {
        let daily = f64::from(self.profile.spaces) * TURNOVER;
        let hour = usize::try_from((time + 8 * HOUR_MS).rem_euclid(DAY_MS) / HOUR_MS).unwrap_or(0);
        let hourly = daily * ARRIVALS.get(hour).copied().unwrap_or(4.0) / 100.0;
        let wait = -(1.0 - self.rng.f64()).ln() / hourly.max(0.01);
        // At most to the next hour, which has another rate.
        time + ((wait * 3_600_000.0) as i64).clamp(1, HOUR_MS)
    }

    fn happen(&mut self) {
        if self.next_of_those_inside() < self.next_arrival {
            if let Some(Reverse(Timed { time, what, .. })) = self.ahead.pop() {
                match what {
                    Event::Leave(stay) => self.leave(&stay, time),
                    Event::Correct(correction) => self.correct(&correction, time),
                }
            }
            return;
        }
        let now = self.next_arrival;
        self.next_arrival = self.arrival_after(now);
        if self.books.inside < self.profile.spaces {
            self.enter(now);
        } else {
            self.books.turned_away += 1;
        }
    }

    fn enter(&mut self, now: i64) {
        let number = self.count();
        let rng = &mut self.rng;
        let car_type = match rng.u8(..100) {
            0..68 => 1,
            68..88 => 2,
            88..93 => 3,
            93..99 => 4,
            _ => 0,
        };
        let mut stay = SimulatedStay {
            serial: format!("SIM{}-{}-{number:07}", self.profile.seed, self.profile.start / 1000),
            plate: Plate::seen(rng),
            car_type,
            vehicle_type: if rng.u8(..20) == 0 { 2 } else { 1 },
            enter_time: now,
        };
        // Some stay for a minute, some overnight; monthly vehicles stay for the working day.
        let spread = (0..6).map(|_| rng.f64()).sum::<f64>() - 3.0;
        let minutes = if car_type == 2 { 480.0 + spread * 150.0 } else { 70.0 * (spread * 1.1).exp() };
        let leave_at = now + ((minutes * 60_000.0) as i64).max(MINUTE_MS);
        self.books.entered();
        let mut params = self.common(&stay);
        params.push(("enter_gate".into(), "东门入口".into()));
        params.push(("enter_security".into(), "李四".into()));
        self.upload(PushKind::Enter, &stay.serial, &stay.plate, params, now);
        if self.rng.f64() < self.profile.by_hand {
            let (time, correction) = PlateCorrection::of(&mut self.rng, &stay, now, leave_at);
            if time < leave_at {
                stay.plate = correction.plate.clone();
            }
            let number = self.count();
            self.ahead.push(Reverse(Timed { time, number, what: Event::Correct(correction) }));
        }
        self.ahead.push(Reverse(Timed { time: leave_at, number, what: Event::Leave(stay) }));
    }

    fn correct(&mut self, correction: &PlateCorrection, now: i64) {
        self.books.corrected(correction);
        self.upload(PushKind::Update, &correction.serial, &correction.plate, correction.params(now), now);
    }

    fn leave(&mut self, stay: &SimulatedStay, now: i64) {
        if self.rng.f64() < self.profile.by_hand {
            self.books.releases += 1;
            let params = by_hand::release(&mut self.rng, stay, now);
            self.upload(PushKind::Release, &stay.serial, &stay.plate, params, now);
        }
        let bill = Bill::of(&mut self.rng, &stay.serial, stay.car_type, stay.enter_time, now);
        self.books.left(&bill);
        let mut params = self.common(stay);
        let mut add = |name: &str, value: String| params.push((name.to_owned(), value));
        add("leave_time", now.to_string());
        add("leave_gate", "西门出口".into());
        add("leave_security", "李四".into());
        for (name, value) in [
            ("total_value", bill.total),
            ("free_value", bill.free),
            ("online_value", bill.online),
            ("balance_value", bill.balance),
            ("cash_value", bill.cash),
            ("prepaid_value", bill.prepaid),
        ] {
            add(name, value.to_string());
        }
        if !bill.payments.is_empty() {
            let list = bill.payments.iter().map(super::fee::SimulatedPayment::to_json).collect();
            add("payment_list", serde_json::Value::Array(list).to_string());
        }
        self.upload(PushKind::Leave, &stay.serial, &stay.plate, params, now);
    }

    fn common(&self, stay: &SimulatedStay) -> Vec<(String, String)> {
        let car_desc =
            ["其他", "临时车", "月卡A", "免费车", "储值车"].get(usize::from(stay.car_type)).unwrap_or(&"其他");
        let mut params = sent([
            ("parking_serial", stay.serial.clone()),
            ("plate", stay.plate.text.clone()),
            ("plate_color", stay.plate.color.to_string()),
            ("enter_time", stay.enter_time.to_string()),
            ("car_type", stay.car_type.to_string()),
            ("car_desc", (*car_desc).to_owned()),
            ("vehicle_type", stay.vehicle_type.to_string()),
            ("charge_type", "1".into()),
        ]);
        if self.profile.reports_space {
            params.push(("total_parking_space".into(), self.profile.spaces.to_string()));
            params.push(("remain_parking_space".into(), self.books.remain().to_string()));
        }
        params
    }

    /// Sends a record, perhaps with a fault.
    fn upload(&mut self, kind: PushKind, serial: &str, plate: &Plate, params: Vec<(String, String)>, now: i64) {
        let upload = Upload {
            kind,
            serial: serial.to_owned(),
            params,
            plate: plate.clone(),
            happened_at: now,
            is_conflict: false,
        };
        let mut sent_at = self.through_outage(now);
        if self.profile.faults > 0.0 && self.rng.f64() < self.profile.faults {
            let later = self.rng.i64(MINUTE_MS..4 * HOUR_MS);
            match self.rng.u8(..4) {
                // Late: because of the line, often after its own leave.
                0 | 1 => {
                    sent_at += later;
                    self.books.late += 1;
                }
                2 => {
                    self.books.repeated += 1;
                    self.send(upload.clone(), sent_at + later);
                }
                _ => {
                    self.books.conflicting += 1;
                    let mut other = Upload { is_conflict: true, ..upload.clone() };
                    other.params.push(("car_color".into(), "1".into()));
                    self.send(other, sent_at + later);
                }
            }
        }
        self.send(upload, sent_at);
    }

    fn send(&mut self, upload: Upload, time: i64) {
        let number = self.count();
        self.on_the_way.push(Reverse(Timed { time, number, what: upload }));
    }

    /// What happens during an outage goes out when it is over.
    fn through_outage(&mut self, now: i64) -> i64 {
        while self.outage.1 <= now {
            self.outage = next_outage(&mut self.rng, self.outage.1);
        }
        if self.profile.faults > 0.0 && self.outage.0 <= now {
            self.books.held_up += 1;
            return self.outage.1;
        }
        now
    }

    fn count(&mut self) -> u64 {
        self.number += 1;
        self.number
    }
}

/// Two or three a day, of ten to ninety minutes.
fn next_outage(rng: &mut Rng, after: i64) -> (i64, i64) {
    let begin = after + rng.i64(2 * HOUR_MS..16 * HOUR_MS);
    (begin, begin + rng.i64(10 * MINUTE_MS..90 * MINUTE_MS))
}

impl Iterator for Traffic {
    type Item = Upload;

    fn next(&mut self) -> Option<Upload> {
        loop {
            let arrives = self.on_the_way.peek().map(|Reverse(upload)| upload.time);
            match (self.next_event(), arrives) {
                (Some(event), Some(arrives)) if arrives <= event => break,
                (Some(_), _) => self.happen(),
                (None, _) => break,
            }
        }
        self.on_the_way.pop().map(|Reverse(upload)| upload.what)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    const START: i64 = 1_760_000_000_000;

    fn profile(seed: u64, faults: f64) -> TrafficProfile {
        TrafficProfile { seed, start: START, spaces: 500, faults, by_hand: 0.01, reports_space: true }
    }

    #[test]
    fn the_same_seed_gives_the_same_day_and_another_another() {
        let day = |seed| Traffic::new(profile(seed, 0.1), START + DAY_MS).collect::<Vec<_>>();
        assert_eq!(day(1), day(1));
        assert_ne!(day(1), day(2));
    }

    #[test]
    fn an_honest_day_is_in_order_and_its_books_are_the_sum_of_its_records() {
        let mut traffic = Traffic::new(profile(3, 0.0), START + DAY_MS);
        let day: Vec<Upload> = traffic.by_ref().collect();
        assert!(day.len() > 3_000, "{}", day.len());
        assert!(day.is_sorted_by_key(|upload| upload.happened_at));
        let count = |kind: PushKind| day.iter().filter(|upload| upload.kind == kind).count() as u64;
        let books = &traffic.books;
        let counted = [books.enters, books.leaves, books.releases, books.updates];
        assert_eq!(counted, PushKind::ALL.map(count));
        assert!(books.releases > 5 && books.updates > 5, "{books:?}");
        assert_eq!(u64::from(books.inside), books.enters - books.leaves);
        let mut halves = day.iter().filter(|upload| upload.kind.is_half());
        let last = halves.next_back().unwrap().params.iter().find(|(name, _)| name == "remain_parking_space").unwrap();
        assert_eq!(last.1, books.remain().to_string());
    }

    #[test]
    fn a_faulty_day_brings_every_record_at_least_once_and_conflicts_after_the_first() {
        let mut traffic = Traffic::new(profile(4, 0.2), START + DAY_MS);
        let mut seen: HashMap<(PushKind, String), u64> = HashMap::new();
        for upload in traffic.by_ref() {
            let times = seen.entry((upload.kind, upload.serial)).or_default();
            assert!(!upload.is_conflict || *times > 0);
            *times += 1;
        }
        let books = &traffic.books;
        let records = books.enters + books.leaves + books.releases + books.updates;
        assert_eq!(seen.len() as u64, records);
        assert_eq!(seen.values().sum::<u64>(), records + books.repeated + books.conflicting);
        for (what, count) in [("late", books.late), ("repeated", books.repeated), ("held up", books.held_up)] {
            assert!(count > 10, "{what}: {count}");
        }
    }

    #[test]
    fn one_in_a_hundred_is_released_by_hand_and_one_misread_is_corrected_before_or_after_its_leave() {
        let mut traffic = Traffic::new(profile(5, 0.0), START + 10 * DAY_MS);
        let (mut left, mut before, mut after) = (HashMap::new(), 0_u64, 0_u64);
        for upload in traffic.by_ref() {
            let get =
                |name: &str| upload.params.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone());
            match upload.kind {
                PushKind::Enter => {}
                PushKind::Leave => drop(left.insert(upload.serial.clone(), get("plate"))),
                PushKind::Release => {
                    assert!(!left.contains_key(&upload.serial), "then its leave");
                    assert!(get("reason").is_some() && get("operator").is_some() && get("plate").is_some());
                }
                PushKind::Update => match left.get(&upload.serial) {
                    None => before += 1,
                    Some(plate) => {
                        assert_ne!(*plate, get("plate"));
                        after += 1;
                    }
                },
            }
        }
        let books = &traffic.books;
        let percent = |count: u64| count as f64 * 100.0 / books.leaves as f64;
        for share in [percent(books.releases), percent(books.updates)] {
            assert!((0.8..1.2).contains(&share), "{share}");
        }
        assert!(before > 50 && after > 20 && before + after == books.updates, "{before} {after}");
    }
}
