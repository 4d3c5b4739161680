//! The store as its users see it. [`conformance`] holds for every store.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

/// Each promise is a test on each store.
macro_rules! on_every_store {
    ($($promise:ident),* $(,)?) => {
        /// For whoever wants all of them on one store after the other.
        pub(crate) const PROMISES: &[fn(&parkgate_store::Store)] = &[$($promise),*];

        mod on_sqlite {
            $(#[test] fn $promise() { crate::push::on_sqlite(super::$promise); })*
        }
        mod on_postgres {
            $(#[test] fn $promise() { crate::push::on_postgres(super::$promise); })*
        }
        mod on_postgres_by_months {
            $(#[test] fn $promise() { crate::push::on_postgres_by_months(super::$promise); })*
        }
        mod on_postgres_by_parks {
            $(#[test] fn $promise() { crate::push::on_postgres_by_parks(super::$promise); })*
        }
    };
}

mod audit;
mod bucket;
mod calls;
mod conformance;
mod databases;
mod epochs;
mod exports;
mod forwarding;
mod held;
mod imports;
mod keys;
mod listing;
mod months;
mod moving;
mod park_list;
mod plans;
mod plates;
mod postgres;
mod push;
mod recorder;
mod registry;
mod retention;
mod searches;
mod sqlite;
mod turns;
