//! One vehicle's stay, and parameters made of it.

use super::plate::Plate;

/// One vehicle's stay.
#[derive(Debug, Clone)]
pub(super) struct SimulatedStay {
    pub(super) serial: String,
    /// As the car park has it: what the camera saw, until somebody corrects it.
    pub(super) plate: Plate,
    pub(super) car_type: u8,
    pub(super) vehicle_type: u8,
    pub(super) enter_time: i64,
}

/// What is not empty.
pub(super) fn sent<const N: usize>(params: [(&str, String); N]) -> Vec<(String, String)> {
    params.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name.to_owned(), value)).collect()
}
