//! What people read, in one language at a time.
//!
//! Every text stands once, in Chinese and in English side by side, in a file for each subject below `texts/`. [`texts`] gives
//! those of the language in use. A text that is missing in one language does not compile. Replies of the protocol are not
//! among them (they are in `wire`), nor are lines of the log, which are English.

mod lang;
#[macro_use]
mod declare;
mod texts;

pub use lang::{Lang, lang, set_lang};
pub use texts::*;
