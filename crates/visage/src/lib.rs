//! Visage's JSON API without its socket: which files a path stands for, and what is said of their rows.
//!
//! Visage 2.1.0 is a Ruby program that serves RRD files. This crate says what it would, but for the faults that
//! [`answer`] and [`selection`] list. It owns no socket, no thread and no clock. In the order in which a request meets
//! the modules:
//!
//! - [`glob`] is a pattern for one name, as Ruby's `Dir.glob` reads it;
//! - [`selection`] is what stands behind the host in a path: which files of a host are meant, and in which order;
//! - [`consolidation`] makes fewer values of many, and percentiles;
//! - [`answer`] writes the JSON, `numbers` those in it.
//!
//! ```
//! use visage::answer::{Answer, Form};
//! use visage::selection::Selection;
//!
//! let selection = Selection::parse(b"load", None, 100).unwrap();
//! let files = [(b"load".as_slice(), b"load".as_slice()), (b"memory", b"memory-used")];
//! assert_eq!(selection.of(&files), [0]);
//!
//! let mut answer = Answer::new(Form { start: 1000, finish: 1020, percentiles: false, fill_gaps: false });
//! answer.add(b"web1", b"load", b"load", &[(b"shortterm", &[0.5, f64::NAN])]);
//! let expected = r#"{"web1":{"load":{"load":{"shortterm":{"start":1000,"finish":1020,"data":[0.5,null]}}}}}"#;
//! assert_eq!(String::from_utf8(answer.finish()).unwrap(), expected);
//! ```

#![forbid(unsafe_code)]

pub mod answer;
pub mod consolidation;
pub mod glob;
mod numbers;
pub mod selection;
