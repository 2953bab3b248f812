//! Texts as Python makes and reads them: numbers in names, regular expressions, replacements.
//!
//! Names are part of what a Graphite server answers, and the servers that clients were written for are Python.

pub(crate) mod number;
pub(crate) mod pattern;
pub(crate) mod replacement;
