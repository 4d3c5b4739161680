//! The columns of each export, in their order; `rows` fills them.

use parkgate_text::{ExportTexts, Texts};

use crate::cli::{ExportFormat, ExportWhat};
use crate::export_file::{ColumnKind, ExportColumn};

use ColumnKind::{Amount, Json, Number, Text, Time};

/// A key, its title among the texts, and what it holds.
type Declared = (&'static str, fn(&ExportTexts) -> &'static str, ColumnKind);

const VISITS: &[Declared] = &[
    ("park_uuid", |t| t.park_uuid, Text),
    ("park_name", |t| t.park_name, Text),
    ("parking_serial", |t| t.parking_serial, Text),
    ("plate", |t| t.plate, Text),
    ("plate_color", |t| t.plate_color, Text),
    ("car_type", |t| t.car_type, Text),
    ("car_desc", |t| t.car_desc, Text),
    ("state", |t| t.state, Text),
    ("enter_time", |t| t.enter_time, Time),
    ("leave_time", |t| t.leave_time, Time),
    ("enter_gate", |t| t.enter_gate, Text),
    ("leave_gate", |t| t.leave_gate, Text),
    ("total_value", |t| t.total_value, Amount),
    ("free_value", |t| t.free_value, Amount),
    ("online_value", |t| t.online_value, Amount),
    ("balance_value", |t| t.balance_value, Amount),
    ("cash_value", |t| t.cash_value, Amount),
    ("prepaid_value", |t| t.prepaid_value, Amount),
    ("paid", |t| t.paid, Amount),
    ("payments", |t| t.payment_count, Number),
    ("releases", |t| t.release_count, Number),
    ("updates", |t| t.update_count, Number),
    ("enter_seqno", |t| t.enter_seqno, Text),
    ("leave_seqno", |t| t.leave_seqno, Text),
];
/// Of these the value of the parameter of the same name is exported.
pub(super) const AMOUNTS: [&str; 6] =
    ["total_value", "free_value", "online_value", "balance_value", "cash_value", "prepaid_value"];

const PAYMENTS: &[Declared] = &[
    ("park_uuid", |t| t.park_uuid, Text),
    ("park_name", |t| t.park_name, Text),
    ("parking_serial", |t| t.parking_serial, Text),
    ("plate", |t| t.plate, Text),
    ("leave_time", |t| t.leave_time, Time),
    ("parking_order", |t| t.parking_order, Text),
    ("pay_type", |t| t.pay_type, Text),
    ("pay_time", |t| t.pay_time, Time),
    ("value", |t| t.value, Amount),
    ("free_value", |t| t.free_value, Amount),
    ("change_value", |t| t.change_value, Amount),
    ("seqno", |t| t.seqno, Text),
];

const RECORDS: &[Declared] = &[
    ("record", |t| t.record, Number),
    ("park_uuid", |t| t.park_uuid, Text),
    ("park_name", |t| t.park_name, Text),
    ("kind", |t| t.kind, Text),
    ("parking_serial", |t| t.parking_serial, Text),
    ("plate", |t| t.plate, Text),
    ("enter_time", |t| t.enter_time, Time),
    ("event_time", |t| t.event_time, Time),
    ("received_at", |t| t.received_at, Time),
    ("seqno", |t| t.seqno, Text),
    ("params", |t| t.params, Json),
];

const CONFLICTS: &[Declared] = &[
    ("record", |t| t.record, Number),
    ("park_uuid", |t| t.park_uuid, Text),
    ("park_name", |t| t.park_name, Text),
    ("kind", |t| t.kind, Text),
    ("parking_serial", |t| t.parking_serial, Text),
    ("plate", |t| t.plate, Text),
    ("received_at", |t| t.received_at, Time),
    ("seqno", |t| t.seqno, Text),
    ("recorded_seqno", |t| t.recorded_seqno, Text),
    ("differing", |t| t.differing, Text),
    ("params", |t| t.params, Json),
];

const DELIVERIES: &[Declared] = &[
    ("id", |t| t.delivery, Text),
    ("subscriber", |t| t.subscriber, Text),
    ("state", |t| t.state, Text),
    ("kind", |t| t.kind, Text),
    ("park_uuid", |t| t.park_uuid, Text),
    ("parking_serial", |t| t.parking_serial, Text),
    ("attempts", |t| t.attempts, Number),
    ("since", |t| t.first_due, Time),
    ("next_at", |t| t.next_at, Time),
    ("answer", |t| t.answer, Text),
];

/// The columns, titled for who reads this format.
pub(super) fn of(what: ExportWhat, texts: &Texts, format: ExportFormat) -> Vec<ExportColumn> {
    let declared = match what {
        ExportWhat::Visits => VISITS,
        ExportWhat::Payments => PAYMENTS,
        ExportWhat::Records => RECORDS,
        ExportWhat::Conflicts => CONFLICTS,
        ExportWhat::Deliveries => DELIVERIES,
    };
    let is_for_programs = matches!(format, ExportFormat::Jsonl | ExportFormat::Parquet);
    let column = |(key, title, kind): &Declared| ExportColumn {
        key,
        title: if is_for_programs { key } else { title(&texts.export) },
        kind: *kind,
    };
    declared.iter().map(column).collect()
}
