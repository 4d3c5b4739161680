//! Is everything that the store and its pictures hold whole, and does it fit together? Asked beside a running gate.
//!
//! Records are read a page a transaction, so nobody waits for a check. What looks wrong is looked at once more before it is
//! said: pushes that arrive meanwhile, and what is let go meanwhile, are no flaws.

mod pictures;
mod records;
mod references;
mod sealed;

use std::collections::BTreeMap;

use serde::Serialize;
use tokio::runtime::Handle;

use crate::images::Images;
use crate::registry::Park;
use crate::throttle::Throttle;
use crate::{Store, StoreError};

/// Flaws of one kind that are named; more are counted.
pub const NAMED_MAX: usize = 1000;

/// What may be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FlawKind {
    /// A page of the database, or an index that does not fit its table.
    Page,
    /// A table that cannot be read.
    Unreadable,
    /// A row that names one of another table that is not there.
    Reference,
    /// A record whose parameters are none.
    Record,
    /// Something sealed that does not open under the master key.
    Sealed,
    /// A count of free spaces that its records do not give.
    Space,
    /// An order that its record does not give.
    Payment,
    /// A park's use of the quarantine that its pushes do not give.
    QuarantineUse,
    /// A picture that is not there.
    MissingPicture,
    /// A picture that is not what its address says.
    DamagedPicture,
    /// A picture that nothing names.
    StrayPicture,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Flaw {
    /// Of which kind.
    pub kind: FlawKind,
    /// Of what: a table, a park, a picture's address.
    pub about: String,
    /// What was found, in words of the program.
    pub detail: String,
    /// Was it mended?
    pub mended: bool,
}

/// What was checked, and what is wrong.
#[derive(Debug, Default, Serialize)]
pub struct CheckReport {
    /// What is wrong; of each kind at most [`NAMED_MAX`].
    pub flaws: Vec<Flaw>,
    /// How much of each kind is wrong.
    pub counts: BTreeMap<FlawKind, u64>,
    /// Of these, how much was mended.
    pub mended: u64,
    /// Records that were read.
    pub records: u64,
    /// Parks that were counted.
    pub parks: u64,
    /// Orders that were compared.
    pub payments: u64,
    /// Pictures that were read.
    pub pictures: u64,
    /// Their bytes.
    pub picture_bytes: u64,
    /// Were pages looked at? Those of PostgreSQL are its own affair.
    pub pages_read: bool,
    /// Another store keeps pictures in the same place, so strays are not known.
    pub strays_unknown: bool,
}

impl CheckReport {
    /// Is anything wrong still?
    #[must_use]
    pub fn is_flawed(&self) -> bool {
        self.counts.values().sum::<u64>() > self.mended
    }

    fn add(&mut self, kind: FlawKind, about: impl Into<String>, detail: impl Into<String>) {
        self.add_flaw(Flaw { kind, about: about.into(), detail: detail.into(), mended: false });
    }

    fn add_flaw(&mut self, flaw: Flaw) {
        let count = self.counts.entry(flaw.kind).or_default();
        *count += 1;
        self.mended += u64::from(flaw.mended);
        if *count <= NAMED_MAX as u64 {
            self.flaws.push(flaw);
        }
    }

    /// A part that cannot be looked at is a flaw, unless the store as a whole is away: then nothing can be said.
    fn part(&mut self, about: &str, checked: Result<(), StoreError>) -> Result<(), StoreError> {
        match checked {
            Err(StoreError::Broken(text) | StoreError::Exists(text)) => {
                self.add(FlawKind::Unreadable, about, text);
                Ok(())
            }
            checked => checked,
        }
    }
}

/// May what is wrong be changed?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mending {
    /// Only reported.
    No,
    /// Mended where the records say what is right: free spaces, orders, the use of the quarantine; and strays are removed.
    Yes,
}

/// What a check is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckPart {
    /// Pages of the database.
    Pages,
    /// Records, their orders and free spaces.
    Records,
    /// Rows that name others, and what is sealed.
    References,
    /// Pictures.
    Pictures,
    /// Pictures that nothing names.
    Strays,
}

/// How far it is: done, and of how many where that is known.
pub type ReportCheck<'a> = &'a mut dyn FnMut(CheckPart, u64, u64);

/// What to check.
pub struct CheckRequest<'a> {
    /// The store.
    pub store: &'a Store,
    /// Its pictures.
    pub images: &'a Images,
    /// Of a runtime that the calling thread is none of.
    pub handle: &'a Handle,
    /// Only this park's records, orders and free spaces, and the pictures of these.
    pub park: Option<&'a Park>,
    /// Whether to mend.
    pub mending: Mending,
    /// How fast.
    pub throttle: &'a Throttle,
}

impl CheckRequest<'_> {
    /// Checks everything.
    ///
    /// # Errors
    /// The store or the pictures are away, so that nothing can be said of them.
    pub fn run(&self, report: ReportCheck<'_>) -> Result<CheckReport, StoreError> {
        let mut found = CheckReport::default();
        if self.park.is_none() {
            report(CheckPart::Pages, 0, 0);
            let pages = self.store.damaged_pages().map(|pages| {
                found.pages_read = pages.is_some();
                for text in pages.unwrap_or_default() {
                    found.add(FlawKind::Page, "parkgate.db", text);
                }
            });
            found.part("parkgate.db", pages)?;
        }
        report(CheckPart::References, 0, 0);
        let parks = self.parks(&mut found)?;
        if self.park.is_none() {
            let checked = sealed::check(self, &mut found);
            found.part("sealed", checked)?;
            let checked = references::check(self, &mut found);
            found.part("references", checked)?;
        }
        let checked = records::check(self, &parks, &mut found, &mut |done, all| report(CheckPart::Records, done, all));
        found.part("records", checked)?;
        let checked = pictures::check(self, &parks, &mut found, report);
        found.part("images", checked)?;
        Ok(found)
    }

    /// The parks to be counted.
    fn parks(&self, found: &mut CheckReport) -> Result<Vec<Park>, StoreError> {
        if let Some(park) = self.park {
            return Ok(vec![park.clone()]);
        }
        match self.store.parks() {
            Ok(parks) => Ok(parks),
            Err(error) => {
                found.part("parks", Err(error))?;
                Ok(Vec::new())
            }
        }
    }

    fn is_mending(&self) -> bool {
        self.mending == Mending::Yes
    }
}
