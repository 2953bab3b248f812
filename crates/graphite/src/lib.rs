//! Graphite's render language: what a client writes as a target, and what it gets.
//!
//! This crate has no socket, no thread and no clock, and it stores nothing. A [`Request`] holds the texts of targets and
//! a [`Window`] of time; an [`Evaluation`] reads them, says which series it needs ([`Fetch`]: a pattern of names and a
//! window), is handed them, and makes of them what the functions in the targets say; a [`Format`] writes the answer.
//! In the order in which a request meets the modules:
//!
//! | module | what it is |
//! |---|---|
//! | `time` | `from` and `until`, and lengths of time: `-1h`, `noon yesterday`, `5min` |
//! | `expression` | the grammar of targets, as a tree that prints as what it was read from |
//! | `glob` | patterns of names, node by node |
//! | `evaluate` | the walk over the tree, and what is fetched for it |
//! | `function` | what a function is: a row of a table, arguments, what it may use |
//! | `functions` | the table, a file per group |
//! | `series`, `consolidate`, `aggregate`, `align`, `percentile`, `sliding` | what functions calculate with |
//! | `text` | numbers, regular expressions and replacements as Python has them |
//! | `limits` | what bounds a request, and what it has taken |
//! | `error` | why there is no answer |
//! | `format` | json, jsonp, raw, csv, pickle (written only), msgpack |
//! | `describe` | the table as documents: `/functions`, a page for people |
//!
//! The answers are those of graphite-web 1.1.10, to the names of series, the times of rows and the place of a float's
//! last digits; `tests/vectors.rs` holds them against what it answered. Where graphite-web fails with an error of its
//! own, or never ends, the answer is an [`Error`] of one line. Its quirks are kept where somebody may see them, and a
//! comment says so.
//!
//! What strangers send is bounded by [`Limits`] before memory is taken or time is spent: the length and depth of
//! targets, series, values, names, windows, regular expressions.

#![forbid(unsafe_code)]

mod aggregate;
mod align;
mod consolidate;
mod describe;
mod error;
mod evaluate;
mod expression;
mod format;
mod function;
mod functions;
mod glob;
mod limits;
mod percentile;
mod series;
mod sliding;
mod text;
mod time;

pub use consolidate::Consolidation;
pub use describe::{functions_as_json, functions_as_markdown, functions_by_group_as_json};
pub use error::Error;
pub use evaluate::{Evaluation, Fetch, Progress, Request, Room};
pub use expression::{Call, Expression, Literal, Path, Target, Template};
pub use format::{Answer, FindFormat, Format, Found, Options};
pub use function::{Function, Kind, Parameter};
pub use functions::{function, functions};
pub use glob::{Glob, Node};
pub use jiff::tz::TimeZone;
pub use limits::Limits;
pub use series::{Tags, TimeSeries};
pub use time::{Window, interval, time};
