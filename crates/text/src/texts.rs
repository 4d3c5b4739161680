//! All texts, a file for each subject.

mod agent;
mod agent_half;
mod answers;
mod app;
mod audit;
mod backup;
mod check;
mod columns;
mod commands;
mod config;
mod conflict;
mod delivery;
mod explain;
mod export;
mod flags;
mod general;
mod help;
mod key;
mod month;
mod moving;
mod park;
mod park_check;
mod park_list;
mod plates;
mod program;
mod push;
mod quarantine;
mod retention;
mod serve;
mod sheets;
mod simulate;
mod state;
mod subscriber;
mod tls;
mod upgrade;
mod visit;

pub use agent::AgentTexts;
pub use agent_half::AgentHalfTexts;
pub use answers::AnswerTexts;
pub use app::AppTexts;
pub use audit::AuditTexts;
pub use backup::BackupTexts;
pub use check::CheckTexts;
pub use columns::ColumnTexts;
pub use commands::CommandTexts;
pub use config::ConfigTexts;
pub use conflict::ConflictTexts;
pub use delivery::DeliveryTexts;
pub use explain::ExplainTexts;
pub use export::ExportTexts;
pub use flags::FlagTexts;
pub use general::GeneralTexts;
pub use help::{HelpTexts, WrongUseTexts};
pub use key::KeyTexts;
pub use month::MonthTexts;
pub use moving::MoveTexts;
pub use park::ParkTexts;
pub use park_check::ParkCheckTexts;
pub use park_list::ParkListTexts;
pub use plates::PlateTexts;
pub use program::ProgramTexts;
pub use push::PushTexts;
pub use quarantine::QuarantineTexts;
pub use retention::RetentionTexts;
pub use serve::ServeTexts;
pub use sheets::SheetTexts;
pub use simulate::SimulateTexts;
pub use state::StateTexts;
pub use subscriber::SubscriberTexts;
pub use tls::TlsTexts;
pub use upgrade::UpgradeTexts;
pub use visit::VisitTexts;

use crate::{Lang, lang};

/// Declares [`Texts`]: each subject with its struct.
macro_rules! subjects {
    ($($subject:ident: $struct:ident, $doc:literal;)*) => {
        /// Every text in one language, by subject.
        #[derive(Debug)]
        pub struct Texts {
            $(#[doc = $doc] pub $subject: $struct,)*
        }

        static ZH: Texts = Texts { $($subject: $struct::ZH,)* };
        static EN: Texts = Texts { $($subject: $struct::EN,)* };
    };
}

subjects! {
    agent: AgentTexts, "Texts of `agent`.";
    agent_half: AgentHalfTexts, "What the car park's half says: its page, its checks, its local address.";
    answers: AnswerTexts, "What became of a push or a delivery, where no platform said it.";
    app: AppTexts, "Texts of `app`.";
    audit: AuditTexts, "Texts of the audit log.";
    backup: BackupTexts, "Texts of `backup` and `restore`.";
    check: CheckTexts, "Texts of `check`.";
    columns: ColumnTexts, "Titles of columns.";
    commands: CommandTexts, "Texts of the help of the program and its commands.";
    config: ConfigTexts, "Texts of `config`.";
    conflict: ConflictTexts, "Texts of `conflict`.";
    delivery: DeliveryTexts, "Texts of `delivery`.";
    explain: ExplainTexts, "Texts of `explain`.";
    flags: FlagTexts, "Texts of the help of flags that several commands have.";
    general: GeneralTexts, "Texts that belong to no command.";
    help: HelpTexts, "Words of every help.";
    key: KeyTexts, "Texts of `key`.";
    month: MonthTexts, "Texts of `month`.";
    moving: MoveTexts, "Texts of `move`.";
    park: ParkTexts, "Texts of `park`.";
    park_check: ParkCheckTexts, "Texts of `park check`.";
    plates: PlateTexts, "Texts of `park …-plate(s)`.";
    program: ProgramTexts, "Texts of `completions`, `man` and `health`.";
    push: PushTexts, "Texts of `push`.";
    quarantine: QuarantineTexts, "Texts of `quarantine`.";
    serve: ServeTexts, "Texts of `serve`.";
    simulate: SimulateTexts, "Texts of `simulate`.";
    state: StateTexts, "Texts about the data folder, the store and the addresses.";
    subscriber: SubscriberTexts, "Texts of `subscriber`.";
    tls: TlsTexts, "Texts about TLS.";
    upgrade: UpgradeTexts, "Texts about upgrades and rollbacks.";
    visit: VisitTexts, "Texts of `visit`.";
    wrong_use: WrongUseTexts, "What clap finds wrong.";
    retention: RetentionTexts, "Texts of retention, `forget` and `person`.";
    export: ExportTexts, "Texts of `export`.";
    sheets: SheetTexts, "Texts of lists that are imported and exported.";
    park_list: ParkListTexts, "Texts of `park list`.";
}

/// The texts of the language in use.
#[must_use]
pub fn texts() -> &'static Texts {
    texts_in(lang())
}

/// Of two values, that of the language in use: for texts that are data of another crate.
pub fn either<T>(zh: T, en: T) -> T {
    match lang() {
        Lang::Zh => zh,
        Lang::En => en,
    }
}

/// The texts of a language.
#[must_use]
pub fn texts_in(lang: Lang) -> &'static Texts {
    match lang {
        Lang::Zh => &ZH,
        Lang::En => &EN,
    }
}
