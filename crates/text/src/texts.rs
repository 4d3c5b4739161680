//! All texts, a file for each subject.

mod general;
mod tls;

pub use general::GeneralTexts;
pub use tls::TlsTexts;

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
    general: GeneralTexts, "Texts that belong to no command.";
    tls: TlsTexts, "Texts about TLS.";
}

/// The texts of the language in use.
#[must_use]
pub fn texts() -> &'static Texts {
    texts_in(lang())
}

/// The texts of a language.
#[must_use]
pub fn texts_in(lang: Lang) -> &'static Texts {
    match lang {
        Lang::Zh => &ZH,
        Lang::En => &EN,
    }
}
