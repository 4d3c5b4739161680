//! The public face, by HTTP and command line against the real program: a module per subject.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod addresses;
mod agent;
mod agent_by_hand;
mod agent_denied;
mod agent_peers;
mod backup;
mod bad_input;
mod before;
mod checks;
mod clients_in_the_field;
mod clocks;
mod command_line;
mod connections;
mod credentials;
mod durable_folders;
mod explain;
mod export;
mod failed_syncs;
mod faults;
mod faults_of_many;
mod figures;
mod for_the_owner_only;
mod forward;
mod forward_answers;
mod images_in_a_bucket;
mod intake;
mod integrate;
mod key_rotation;
mod languages;
mod listings;
mod lists;
mod log;
mod log_lines;
mod masking;
mod mistakes_in_signing;
mod months;
mod moving;
mod nodes;
mod packaging;
mod park_check;
mod park_list;
mod passed_calls;
mod push;
mod quarantine;
mod release_and_update;
mod release_pictures;
mod replies;
mod restore;
mod retention;
mod rules;
mod settings;
mod shared_images;
mod simulate;
mod small_disk;
mod state_check;
mod stop;
mod supervised;
mod tidy;
mod tls;
mod upgrades;

use parkgate_testbed::TestGate;

/// The program under test.
pub(crate) const PARKGATE: &str = env!("CARGO_BIN_EXE_parkgate");

/// A running gate with the document's park.
pub(crate) fn demo() -> TestGate {
    TestGate::demo(PARKGATE)
}
