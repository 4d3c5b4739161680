//! An enter and a leave become one visit (`leave.md`, notes 8 and 9).
//!
//! Records are never changed: a visit is read from the enter and the leave recorded under one serial. So a late enter
//! fills its half simply by being recorded, and a visit's advisories follow from its records.

use parkgate_wire::UnixMillis;

use crate::RecordId;

/// What the rules look at in a recorded half.
#[derive(Debug, Clone, Copy)]
pub struct HalfFacts {
    /// Its row; later arrivals have higher ones.
    pub record: RecordId,
    /// `enter_time` as that push says.
    pub enter_time: UnixMillis,
}

/// One visit: at least one of the halves is there.
#[derive(Debug, Clone)]
pub struct VisitHalves<R> {
    /// The enter push.
    pub enter: Option<R>,
    /// The leave push.
    pub leave: Option<R>,
    /// What looks wrong about it.
    pub notes: Vec<VisitNote>,
}

/// Is the vehicle inside?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VisitState {
    /// Entered, and not left.
    Inside,
    /// Left, whether or not its enter ever came.
    Left,
}

/// What looks wrong about a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VisitNote {
    /// The enter and the leave of this serial differ in their enter time: two visits.
    EnterTimeMismatch,
    /// The leave was recorded before any enter.
    LeaveWithoutEnter,
}

impl VisitNote {
    /// Stable, for programs.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            VisitNote::EnterTimeMismatch => "enter_time_mismatch",
            VisitNote::LeaveWithoutEnter => "leave_without_enter",
        }
    }

    /// For people.
    #[must_use]
    pub fn message(self) -> &'static str {
        match self {
            VisitNote::EnterTimeMismatch => {
                "同一流水的入场与离场推送的`enter_time`不一致, 视为两条记录 (enter and leave differ in enter_time)"
            }
            VisitNote::LeaveWithoutEnter => "离场时没有入场记录 (the leave was recorded before any enter)",
        }
    }
}

impl<R> VisitHalves<R> {
    /// A vehicle is inside as long as no leave is recorded.
    #[must_use]
    pub fn state(&self) -> VisitState {
        if self.leave.is_some() { VisitState::Left } else { VisitState::Inside }
    }
}

/// The visits of one serial: one if the enter times agree, else two, the leave's first.
pub fn join<R>(enter: Option<R>, leave: Option<R>, facts: impl Fn(&R) -> HalfFacts) -> Vec<VisitHalves<R>> {
    match (enter, leave) {
        (None, None) => Vec::new(),
        (Some(enter), None) => vec![VisitHalves { enter: Some(enter), leave: None, notes: Vec::new() }],
        (None, Some(leave)) => {
            vec![VisitHalves { enter: None, leave: Some(leave), notes: vec![VisitNote::LeaveWithoutEnter] }]
        }
        (Some(enter), Some(leave)) => {
            let (entered, left) = (facts(&enter), facts(&leave));
            if entered.enter_time == left.enter_time {
                let late = entered.record > left.record;
                let notes = if late { vec![VisitNote::LeaveWithoutEnter] } else { Vec::new() };
                return vec![VisitHalves { enter: Some(enter), leave: Some(leave), notes }];
            }
            let notes = vec![VisitNote::EnterTimeMismatch];
            vec![
                VisitHalves { enter: None, leave: Some(leave), notes: notes.clone() },
                VisitHalves { enter: Some(enter), leave: None, notes },
            ]
        }
    }
}
