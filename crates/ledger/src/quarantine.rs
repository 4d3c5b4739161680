//! Which refused pushes the quarantine admits: within bounds for their park and for all parks together, and never at
//! the cost of the disk that good pushes need. If there is no room, the sender is asked to try again later, so that it
//! keeps the push.

/// A number of quarantined pushes, and their bytes with pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// How many.
    pub pushes: u64,
    /// Their bytes, pictures included.
    pub bytes: u64,
}

impl Usage {
    /// The sum of both.
    #[must_use]
    pub fn plus(self, other: Usage) -> Usage {
        Usage { pushes: self.pushes.saturating_add(other.pushes), bytes: self.bytes.saturating_add(other.bytes) }
    }

    /// The rest, without `other`, which is part of it.
    #[must_use]
    pub fn minus(self, other: Usage) -> Usage {
        Usage { pushes: self.pushes.saturating_sub(other.pushes), bytes: self.bytes.saturating_sub(other.bytes) }
    }
}

/// How much the quarantine holds. What is exactly at a bound is within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuarantineBounds {
    /// Of one park.
    pub park: Usage,
    /// Of all pushes together that name no known park.
    pub unknown: Usage,
    /// Bytes of all together.
    pub all_bytes: u64,
    /// Free bytes of the disk below which the quarantine admits nothing; [`DiskRoom::floor`] if not set.
    pub disk_free_min: Option<u64>,
}

/// A disk that holds the store or its pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskRoom {
    /// Bytes that can still be written.
    pub free_bytes: u64,
    /// All its bytes.
    pub total_bytes: u64,
}

/// Enough for days of good pushes with pictures, and for a checkpoint of the largest WAL.
const FLOOR_BYTES: u64 = 1 << 30;
/// A twentieth of a small disk: with a gibibyte kept free it would have no room for a quarantine at all.
const FLOOR_SHARE: u64 = 20;

impl DiskRoom {
    /// The free bytes reserved for good pushes: the setting, else a gibibyte or a twentieth of a small disk.
    #[must_use]
    pub fn floor(&self, set: Option<u64>) -> u64 {
        set.unwrap_or_else(|| FLOOR_BYTES.min(self.total_bytes / FLOOR_SHARE))
    }

    /// Is less free than is reserved for good pushes?
    #[must_use]
    pub fn is_low(&self, set: Option<u64>) -> bool {
        self.free_bytes < self.floor(set)
    }

    /// How far its free bytes are above the floor; negative below it.
    #[must_use]
    pub fn headroom(&self, set: Option<u64>) -> i128 {
        i128::from(self.free_bytes) - i128::from(self.floor(set))
    }
}

/// A push to be quarantined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuarantineRequest {
    /// It names a known park.
    pub is_known: bool,
    /// Its bytes, pictures included.
    pub bytes: u64,
}

/// What is held when it arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QuarantineLoad {
    /// Held for its park, or for no known park.
    pub park: Usage,
    /// Bytes kept of all together.
    pub all_bytes: u64,
    /// Admitted for its park (or for no known park) and not written yet.
    pub reserved: Usage,
    /// Bytes admitted for all together and not written yet.
    pub reserved_all_bytes: u64,
    /// The fullest disk that it would be written to, if that is one of this machine. Its pictures are on it already.
    pub disk: Option<DiskRoom>,
}

/// Why the quarantine does not admit a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum QuarantineFull {
    /// Only good pushes are accepted: the rest of the disk is reserved for them.
    Disk,
    /// Bytes of all parks together.
    AllBytes,
    /// Pushes of its park.
    ParkPushes,
    /// Bytes of its park.
    ParkBytes,
}

impl QuarantineFull {
    /// For people.
    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            QuarantineFull::Disk => "the disk is nearly full",
            QuarantineFull::AllBytes => "the quarantine holds as many bytes as it may",
            QuarantineFull::ParkPushes => "the quarantine holds as many pushes of the park as it may",
            QuarantineFull::ParkBytes => "the quarantine holds as many bytes of the park as it may",
        }
    }
}

/// May a refused push be quarantined? What is being written counts as if it were there.
///
/// # Errors
/// The first bound, from the widest to the narrowest, that it would go over.
pub fn admit(asked: QuarantineRequest, load: &QuarantineLoad, bounds: &QuarantineBounds) -> Result<(), QuarantineFull> {
    if load.disk.is_some_and(|disk| disk.is_low(bounds.disk_free_min)) {
        return Err(QuarantineFull::Disk);
    }
    let all_bytes = load.all_bytes.saturating_add(load.reserved_all_bytes).saturating_add(asked.bytes);
    if all_bytes > bounds.all_bytes {
        return Err(QuarantineFull::AllBytes);
    }
    let bound = if asked.is_known { bounds.park } else { bounds.unknown };
    let with_it = load.park.plus(load.reserved).plus(Usage { pushes: 1, bytes: asked.bytes });
    if with_it.pushes > bound.pushes {
        return Err(QuarantineFull::ParkPushes);
    }
    if with_it.bytes > bound.bytes {
        return Err(QuarantineFull::ParkBytes);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: QuarantineBounds = QuarantineBounds {
        park: Usage { pushes: 3, bytes: 100 },
        unknown: Usage { pushes: 1, bytes: 10 },
        all_bytes: 150,
        disk_free_min: Some(1000),
    };
    const ROOMY: QuarantineLoad = QuarantineLoad {
        park: Usage { pushes: 0, bytes: 0 },
        all_bytes: 0,
        reserved: Usage { pushes: 0, bytes: 0 },
        reserved_all_bytes: 0,
        disk: None,
    };

    fn known(bytes: u64) -> QuarantineRequest {
        QuarantineRequest { is_known: true, bytes }
    }

    #[test]
    fn each_bound_holds_at_it_and_one_past_it_and_the_widest_is_named() {
        let of_park = |pushes, bytes| QuarantineLoad { park: Usage { pushes, bytes }, all_bytes: bytes, ..ROOMY };
        assert_eq!(admit(known(100), &ROOMY, &BOUNDS), Ok(()));
        assert_eq!(admit(known(101), &ROOMY, &BOUNDS), Err(QuarantineFull::ParkBytes));
        assert_eq!(admit(known(1), &of_park(2, 99), &BOUNDS), Ok(()));
        assert_eq!(admit(known(1), &of_park(3, 99), &BOUNDS), Err(QuarantineFull::ParkPushes));
        let all = |all_bytes| QuarantineLoad { all_bytes, ..ROOMY };
        assert_eq!(admit(known(50), &all(100), &BOUNDS), Ok(()));
        assert_eq!(admit(known(51), &all(100), &BOUNDS), Err(QuarantineFull::AllBytes));
        let disk = |free_bytes| QuarantineLoad { disk: Some(DiskRoom { free_bytes, total_bytes: 1 << 40 }), ..ROOMY };
        assert_eq!(admit(known(1), &disk(1000), &BOUNDS), Ok(()));
        assert_eq!(admit(known(1), &disk(999), &BOUNDS), Err(QuarantineFull::Disk));
        assert_eq!(
            admit(known(999), &QuarantineLoad { all_bytes: 150, ..disk(0) }, &BOUNDS),
            Err(QuarantineFull::Disk)
        );
    }

    #[test]
    fn what_is_on_the_way_counts_and_so_do_those_of_no_park() {
        let reserved = QuarantineLoad { reserved: Usage { pushes: 2, bytes: 60 }, reserved_all_bytes: 110, ..ROOMY };
        assert_eq!(admit(known(40), &reserved, &BOUNDS), Ok(()));
        assert_eq!(admit(known(41), &reserved, &BOUNDS), Err(QuarantineFull::AllBytes));
        let many = QuarantineLoad { reserved: Usage { pushes: 3, bytes: 0 }, ..ROOMY };
        assert_eq!(admit(known(1), &many, &BOUNDS), Err(QuarantineFull::ParkPushes));
        let nobody = QuarantineRequest { is_known: false, bytes: 10 };
        assert_eq!(admit(nobody, &ROOMY, &BOUNDS), Ok(()));
        let one = QuarantineLoad { park: Usage { pushes: 1, bytes: 1 }, ..ROOMY };
        assert_eq!(admit(nobody, &one, &BOUNDS), Err(QuarantineFull::ParkPushes));
    }

    #[test]
    fn the_floor_is_a_gibibyte_or_a_twentieth_of_a_small_disk_or_what_is_set() {
        let disk = |total_bytes| DiskRoom { free_bytes: 0, total_bytes };
        assert_eq!(disk(96 << 20).floor(None), (96 << 20) / 20);
        assert_eq!(disk(20 << 30).floor(None), 1 << 30);
        assert_eq!(disk(1 << 42).floor(None), 1 << 30);
        assert_eq!(disk(96 << 20).floor(Some(7)), 7);
        assert!(!disk(1 << 40).is_low(Some(0)), "0 sets none");
        assert_eq!(DiskRoom { free_bytes: 5, total_bytes: 100 }.headroom(Some(9)), -4);
    }
}
