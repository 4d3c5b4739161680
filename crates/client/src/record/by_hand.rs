//! What people do: they open the barrier by hand, and correct what a camera saw wrongly.

use std::path::Path;

use bytes::Bytes;
use parkgate_wire::UnixMillis;
use parkgate_wire::field::CAPTURE_IMAGE;

use super::{CarType, PlateColor, kind_of_car, plate};
use crate::draft::Draft;

/// `release_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReleaseType {
    /// `1`: at an entrance.
    Enter,
    /// `2`: at an exit.
    Exit,
}

/// A barrier that was opened by hand (人工放行).
#[derive(Debug, Clone)]
pub struct Release {
    draft: Draft,
}

/// A stay that was corrected (记录变更).
#[derive(Debug, Clone)]
pub struct Update {
    draft: Draft,
}

impl Release {
    /// `parking_serial` is that of the stay; `release_time` distinguishes several releases of one.
    #[must_use]
    pub fn new(parking_serial: &str, release_type: ReleaseType, release_time: UnixMillis, text: &str) -> Self {
        let release_type = match release_type {
            ReleaseType::Enter => "1",
            ReleaseType::Exit => "2",
        };
        let draft = Draft::default()
            .param("parking_serial", parking_serial)
            .param("release_type", release_type)
            .param("release_time", &release_time.to_iso())
            .param("plate", text);
        Release { draft }
    }

    /// `plate_color`.
    #[must_use]
    pub fn plate(self, text: &str, color: PlateColor) -> Self {
        Release { draft: plate(self.draft, text, color) }
    }

    /// `gate_id` and `gate_name`: which barrier.
    #[must_use]
    pub fn gate(self, id: &str, name: &str) -> Self {
        self.param("gate_id", id).param("gate_name", name)
    }

    /// `operator` and `reason`: who opened it, and why.
    #[must_use]
    pub fn by(self, operator: &str, reason: &str) -> Self {
        self.param("operator", operator).param("reason", reason)
    }

    /// The picture of the vehicle (`capture_image`).
    #[must_use]
    pub fn image(self, path: impl AsRef<Path>) -> Self {
        Release { draft: self.draft.file(CAPTURE_IMAGE, path) }
    }

    /// The same from memory.
    #[must_use]
    pub fn image_bytes(self, bytes: impl Into<Bytes>) -> Self {
        Release { draft: self.draft.file_bytes(CAPTURE_IMAGE, bytes) }
    }

    /// Any other parameter by its protocol name: `release_method`, `car_type`.
    #[must_use]
    pub fn param(self, name: &str, value: &str) -> Self {
        Release { draft: self.draft.param(name, value) }
    }
}

impl Update {
    /// `flow_no` is the car park's own number of the correction and is used only once; `parking_serial` is that of the stay, whose
    /// plate is `text` from now on. `operate_time` orders several updates of one stay.
    #[must_use]
    pub fn new(flow_no: &str, parking_serial: &str, operate_time: UnixMillis, text: &str) -> Self {
        let draft = Draft::default()
            .param("flow_no", flow_no)
            .param("parking_serial", parking_serial)
            .param("operate_time", &operate_time.to_iso())
            .param("plate", text);
        Update { draft }
    }

    /// `plate` and `plate_color`.
    #[must_use]
    pub fn plate(self, text: &str, color: PlateColor) -> Self {
        Update { draft: plate(self.draft, text, color) }
    }

    /// `car_type` and `car_desc`.
    #[must_use]
    pub fn car(self, car_type: CarType, car_desc: &str) -> Self {
        Update { draft: kind_of_car(self.draft, car_type, car_desc) }
    }

    /// `enter_time`, if it was wrong.
    #[must_use]
    pub fn enter_time(self, time: UnixMillis) -> Self {
        self.param("enter_time", &time.to_iso())
    }

    /// `leave_time`, if it was wrong, or the vehicle left unseen.
    #[must_use]
    pub fn leave_time(self, time: UnixMillis) -> Self {
        self.param("leave_time", &time.to_iso())
    }

    /// `operator` and `reason`: who corrected it, and why.
    #[must_use]
    pub fn by(self, operator: &str, reason: &str) -> Self {
        self.param("operator", operator).param("reason", reason)
    }

    /// Any other parameter by its protocol name.
    #[must_use]
    pub fn param(self, name: &str, value: &str) -> Self {
        Update { draft: self.draft.param(name, value) }
    }
}

impl From<Release> for Draft {
    fn from(release: Release) -> Draft {
        release.draft
    }
}

impl From<Update> for Draft {
    fn from(update: Update) -> Draft {
        update.draft
    }
}
