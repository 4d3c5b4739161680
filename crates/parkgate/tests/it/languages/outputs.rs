//! What each command prints, once in each language.
