//! The audit log: added to, read the newest first, never changed.

use std::ops::ControlFlow;

use parkgate_store::{AuditFilter, NewAuditEntry, Store};

use crate::push::T;

on_every_store! {
    entries_are_listed_the_newest_first_by_pages,
    a_plate_has_one_digest_however_it_is_written,
}

fn entry(number: i64) -> NewAuditEntry {
    NewAuditEntry {
        at: T + number,
        who: "root (sudo: zhang)".into(),
        what: "unmask".into(),
        about: format!("visit list {number}"),
        detail: r#"{"plate":"粤B***45"}"#.into(),
    }
}

fn listed(store: &Store, filter: &AuditFilter) -> Vec<NewAuditEntry> {
    let mut found = Vec::new();
    let take = &mut |one: parkgate_store::AuditEntry| {
        found.push(one.entry);
        ControlFlow::Continue(())
    };
    store.each_audit_entry(filter, take).unwrap();
    found
}

fn entries_are_listed_the_newest_first_by_pages(store: &Store) {
    for number in 0..1005 {
        store.audit(&entry(number)).unwrap();
    }
    let all = listed(store, &AuditFilter { since: None, limit: usize::MAX });
    assert!(all.iter().eq((0..1005).rev().map(entry).collect::<Vec<_>>().iter()));
    let some = listed(store, &AuditFilter { since: Some(T + 1000), limit: 3 });
    assert_eq!(some, [entry(1004), entry(1003), entry(1002)]);
    assert_eq!(listed(store, &AuditFilter { since: Some(T + 1003), limit: 50 }).len(), 2);
    let long = NewAuditEntry { about: "长".repeat(5000), ..entry(2000) };
    store.audit(&long).unwrap();
    let found = listed(store, &AuditFilter { since: None, limit: 1 });
    assert_eq!(found[0].about.chars().count(), 1000);
}

fn a_plate_has_one_digest_however_it_is_written(store: &Store) {
    let digest = store.plate_digest("粤B12345");
    assert_eq!(digest.len(), 24);
    assert_eq!(store.plate_digest("粤 b·12345"), digest);
    assert_ne!(store.plate_digest("粤B12346"), digest);
    assert_ne!(store.plate_digest("无牌车"), digest);
}
