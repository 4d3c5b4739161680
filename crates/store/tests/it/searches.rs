//! What a search looks at.

use parkgate_store::{Store, VisitFilter};
use parkgate_testbed::Postgres;
use parkgate_wire::UnixMillis;

use crate::push::opened;

/// Thirty thousand records of the park `a`, thirty of `b` and of the plate `X`.
const MANY: &str = "INSERT INTO records (park_id, id, kind, parking_serial, enter_time, event_time, plate, digest, seqno, \
    received_at, variant, params) SELECT CASE WHEN n % 1000 = 0 THEN 2 ELSE 1 END, n, n % 2, 's' || n / 2, n / 2, n, \
    CASE WHEN n % 1000 = 7 THEN 'X' ELSE 'P' || n / 2 % 5000 END, decode(repeat('00', 16), 'hex'), n, n, 1, '{}' \
    FROM generate_series(1, 30000) AS n; ANALYZE records; SELECT pg_stat_reset()";

#[test]
fn a_search_looks_at_what_it_finds_and_not_at_all_records() {
    let cluster = Postgres::shared();
    let (data, url) = (tempfile::tempdir().unwrap(), cluster.database());
    opened(data.path(), Some(&url)).close().unwrap();
    let read = "SELECT coalesce(sum(idx_tup_fetch), 0) + coalesce(sum(seq_tup_read), 0) FROM pg_stat_user_tables \
        WHERE relname = 'records'";
    let filter = |park: Option<&str>, plate: Option<&str>, since: Option<i64>, limit: usize| VisitFilter {
        park_uuid: park.map(str::to_owned),
        plate: plate.map(str::to_owned),
        since: since.map(UnixMillis),
        limit,
    };
    let surveyed = |store: &Store| {
        let mut count = 0;
        store.survey("b", 40_000_000, &mut |_| count += 1).unwrap();
        count
    };
    for (asked, found) in [
        (filter(None, Some("X"), None, 100), 30),
        (filter(Some("a"), Some("X"), None, 100), 30),
        (filter(Some("b"), Some("X"), None, 100), 0),
        (filter(Some("b"), None, None, 100), 30),
        (filter(Some("a"), None, None, 20), 20),
        (filter(Some("b"), Some("P500"), Some(40_000_000), 20), 0),
        (filter(None, None, Some(40_000_000), 20), 0),
    ] {
        cluster.sql(&url, &format!("TRUNCATE records; {MANY}"));
        let store = parkgate_store::open(data.path(), Some(&url)).unwrap();
        assert_eq!(store.visits(&asked).unwrap().len(), found, "{asked:?}");
        assert_eq!(surveyed(store.as_ref()), 0);
        store.close().unwrap();
        // A session reports its figures when it ends.
        let looked = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'parkgate' AND datname = current_database()";
        while cluster.sql(&url, looked) != "0" {}
        let read: u64 = cluster.sql(&url, read).parse().unwrap();
        assert!(read < 1000, "{read} records were looked at for {found}: {asked:?}");
    }
}
