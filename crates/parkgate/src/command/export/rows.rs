//! The rows of each export, their cells in the order of `columns`.

use parkgate_ledger::mask::Masking;
use parkgate_store::{
    Conflicting, Delivery, ExportParks, Exported, ExportedRecord, ExportedVisit, LeavePayments, PersonalFields,
    RecordSpan, RecordView, Store, TakenPayment, Visit,
};
use parkgate_wire::{Fen, UnixMillis};
use serde_json::{Map, Value};

use super::columns::AMOUNTS;
use super::visit::{paid, state};
use crate::cli::ExportWhat;
use crate::export_file::{Cell, ExportRow};
use crate::output;

/// Makes rows of what the store gives.
pub(super) struct RowMaker {
    pub(super) what: ExportWhat,
    pub(super) since: Option<UnixMillis>,
    pub(super) until: Option<UnixMillis>,
    pub(super) masking: Masking,
    pub(super) park: Option<String>,
}

impl RowMaker {
    /// The rows of a span of records.
    pub(super) fn of_span(
        &self,
        store: &Store,
        parks: &ExportParks,
        span: RecordSpan,
    ) -> anyhow::Result<Vec<ExportRow>> {
        Ok(match self.what {
            ExportWhat::Visits => {
                let visits = store.exported_visits(parks, span)?;
                visits.iter().filter(|one| self.takes(happened(&one.row))).map(|one| self.visit(one)).collect()
            }
            ExportWhat::Payments => {
                let leaves = store.exported_payments(parks, span)?;
                leaves.iter().flat_map(|leave| self.payments(leave)).collect()
            }
            ExportWhat::Records => {
                let personal = match self.masking {
                    Masking::Nothing => PersonalFields::Opened,
                    Masking::IdData | Masking::All => PersonalFields::Sealed,
                };
                let records = store.exported_records(parks, span, personal)?;
                let taken = records.into_iter().filter(|one| self.takes(UnixMillis(one.row.view.received_at)));
                taken.map(|one| self.record(one)).collect()
            }
            ExportWhat::Conflicts => {
                let conflicts = store.exported_conflicts(parks, span)?;
                let taken = conflicts.into_iter().filter(|one| self.takes(UnixMillis(one.row.ignored.received_at)));
                taken.map(|one| self.conflict(one)).collect()
            }
            ExportWhat::Deliveries => Vec::new(),
        })
    }

    /// The rows of a page of deliveries.
    pub(super) fn of_deliveries(&self, page: &[Delivery]) -> Vec<ExportRow> {
        let is_meant = |one: &&Delivery| {
            self.takes(UnixMillis(one.since)) && self.park.as_ref().is_none_or(|park| *park == one.park_uuid)
        };
        page.iter().filter(is_meant).map(|one| self.delivery(one)).collect()
    }

    fn takes(&self, at: UnixMillis) -> bool {
        self.since.is_none_or(|since| at >= since) && self.until.is_none_or(|until| at < until)
    }

    fn plate(&self, plate: Option<&String>) -> Cell {
        plate.map(|plate| self.masking.plate(plate)).into()
    }

    fn visit(&self, exported: &ExportedVisit) -> ExportRow {
        let (visit, name) = (&exported.row, &exported.park_name);
        let text = |name: &str| Cell::from(value_of(visit, name));
        let mut row = vec![
            Cell::text(&visit.park_uuid),
            Cell::text(name),
            Cell::text(&visit.parking_serial),
            self.plate(visit.plate.as_ref()),
            text("plate_color"),
            text("car_type"),
            text("car_desc"),
            state(visit).into(),
            visit.enter_time.0.into(),
            visit.leave_time.map(|time| time.0).into(),
            text("enter_gate"),
            text("leave_gate"),
        ];
        row.extend(AMOUNTS.map(|name| amount(value_of(visit, name))));
        row.extend([
            paid(visit).and_then(|fen| i64::try_from(fen).ok()).into(),
            count(visit.payments.len()),
            count(visit.releases.len()),
            count(visit.updates.len()),
            visit.enter.as_ref().map(|half| half.seqno.to_string()).into(),
            visit.leave.as_ref().map(|half| half.seqno.to_string()).into(),
        ]);
        row
    }

    fn payments(&self, exported: &Exported<LeavePayments>) -> Vec<ExportRow> {
        let leave = &exported.row;
        let row = |payment: &TakenPayment| {
            let text = |name: &str| Cell::from(payment.fields.get(name).and_then(shown));
            let number = |name: &str| match payment.fields.get(name) {
                Some(value) => value.as_i64().map_or(Cell::Empty, Cell::Number),
                None => Cell::Empty,
            };
            vec![
                Cell::text(&leave.park_uuid),
                Cell::text(&exported.park_name),
                Cell::text(&leave.parking_serial),
                self.plate(leave.plate.as_ref()),
                leave.leave_time.0.into(),
                text("parking_order"),
                text("pay_type"),
                number("pay_time"),
                number("value"),
                number("free_value"),
                number("change_value"),
                leave.seqno.to_string().into(),
            ]
        };
        let paid_at = |payment: &&TakenPayment| {
            let paid = payment.fields.get("pay_time").and_then(Value::as_i64).map(UnixMillis);
            self.takes(paid.unwrap_or(leave.leave_time))
        };
        leave.payments.iter().filter(paid_at).map(row).collect()
    }

    fn record(&self, exported: Exported<ExportedRecord>) -> ExportRow {
        let Exported { record, park_name, row } = exported;
        let RecordView { kind, seqno, received_at, params, .. } = row.view;
        vec![
            record.into(),
            row.park_uuid.into(),
            park_name.into(),
            kind.name().into(),
            row.parking_serial.into(),
            self.plate(row.plate.as_ref()),
            row.enter_time.0.into(),
            row.event_time.0.into(),
            received_at.into(),
            seqno.to_string().into(),
            self.params(params),
        ]
    }

    fn conflict(&self, exported: Exported<Conflicting>) -> ExportRow {
        let Exported { record, park_name, row } = exported;
        let plate = row.ignored.params.get("plate").and_then(Value::as_str).map(str::to_owned);
        vec![
            record.into(),
            row.park_uuid.into(),
            park_name.into(),
            row.ignored.kind.name().into(),
            row.parking_serial.into(),
            self.plate(plate.as_ref()),
            row.ignored.received_at.into(),
            row.ignored.seqno.to_string().into(),
            row.standing.seqno.to_string().into(),
            row.differing.join(" ").into(),
            self.params(row.ignored.params),
        ]
    }

    /// All that was sent, as JSON.
    fn params(&self, params: Map<String, Value>) -> Cell {
        Cell::Text(output::masked(Value::Object(params), self.masking).to_string())
    }

    fn delivery(&self, one: &Delivery) -> ExportRow {
        let answer = one.answer.as_deref().filter(|answer| !answer.is_empty());
        vec![
            one.id.to_string().into(),
            Cell::text(&one.subscriber),
            if one.dead { "dead" } else { "pending" }.into(),
            one.kind.name().into(),
            Cell::text(&one.park_uuid),
            Cell::text(&one.parking_serial),
            i64::from(one.attempts).into(),
            one.since.into(),
            (!one.dead).then_some(one.next_at).into(),
            answer.map(|answer| self.masking.sentence(answer)).into(),
        ]
    }
}

/// When a visit last happened: its leaving, else its entering.
fn happened(visit: &Visit) -> UnixMillis {
    visit.leave_time.unwrap_or(visit.enter_time)
}

fn count(number: usize) -> Cell {
    Cell::Number(i64::try_from(number).unwrap_or(i64::MAX))
}

fn amount(text: Option<String>) -> Cell {
    let fen = text.as_deref().and_then(Fen::parse).and_then(|fen| i64::try_from(fen.0).ok());
    fen.into()
}

fn shown(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        value => Some(value.to_string()),
    }
}

/// As the last update has it, else the leave, else the enter.
fn value_of(visit: &Visit, name: &str) -> Option<String> {
    let corrections = visit.updates.iter().rev().flat_map(|update| &update.corrections);
    let mut corrected = corrections.filter(|correction| correction.name == name);
    corrected.next().map(|correction| correction.after.clone()).or_else(|| {
        let halves = visit.leave.iter().chain(&visit.enter);
        halves.filter_map(|half| half.params.get(name).and_then(shown)).next()
    })
}
