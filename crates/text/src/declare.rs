//! How texts are declared.

/// A struct of texts with its two values, `ZH` and `EN`:
///
/// ```text
/// texts! {
///     /// Texts of `backup`.
///     BackupTexts {
///         done: "备份完成", "Backup finished";
///         no_such_park(uuid: &str): "没有停车场 {uuid}", "No such park: {uuid}";
///     }
/// }
/// ```
///
/// A text with arguments is a function: `(texts().backup.no_such_park)(uuid)`.
macro_rules! texts {
    ($(#[$meta:meta])* $name:ident { $($text:ident $(($($arg:ident: $type:ty),*))?: $zh:literal, $en:literal;)* }) => {
        $(#[$meta])*
        #[derive(Debug)]
        pub struct $name {
            $(#[doc = $en] pub $text: texts!(@type $(($($type),*))?),)*
        }

        impl $name {
            /// In Chinese.
            pub const ZH: $name = $name { $($text: texts!(@value $(($($arg: $type),*))? $zh),)* };
            /// In English.
            pub const EN: $name = $name { $($text: texts!(@value $(($($arg: $type),*))? $en),)* };
        }
    };
    (@type) => { &'static str };
    (@type ($($type:ty),*)) => { fn($($type),*) -> String };
    (@value $text:literal) => { $text };
    (@value ($($arg:ident: $type:ty),*) $text:literal) => { |$($arg: $type),*| format!($text) };
}
