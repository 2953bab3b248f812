//! The protocol of rrdcached(1), for those who read: commands as bytes, replies from bytes.
//!
//! This crate owns no socket, no thread and no clock. In the order in which a request and its reply meet the modules:
//!
//! - [`command`] writes one line for each command, in which a [`name`] of a file is escaped;
//! - [`cursor`] is the only place that slices what comes back, [`status`] is the first line of every reply;
//! - [`fetch`] reads rows, as [`FETCHBIN`](command::Command::FetchBinary) and [`FETCH`](command::Command::Fetch) give
//!   them, [`list`] names, [`info`] what a file is made of;
//! - [`archive`] says which archive of such a file librrd would read, without asking;
//! - [`error`] is what a reply can be instead: a refusal, or none.
//!
//! Replies come in the order of the commands, so many commands may be under way on one connection. A reply that can't
//! be read leaves nothing to go on from: the connection is to be closed.
//!
//! ```
//! use rrdcached::command::{Command, Window};
//! use rrdcached::cursor::Cursor;
//! use rrdcached::fetch::Head;
//!
//! let mut line = Vec::new();
//! let window = Window::new(1_795_199_980, 1_795_200_000).unwrap();
//! let command = Command::FetchBinary { file: b"web 1/load/load.rrd", function: "AVERAGE", window };
//! command.write(&mut line).unwrap();
//! assert_eq!(line, b"FETCHBIN web\\ 1/load/load.rrd AVERAGE 1795199980 1795200000\n");
//!
//! // A reply arrives in pieces: what is not there yet is no error.
//! let mut reply = Cursor::new(b"6 Success\nFlushVersion: 1\nStart: 1795199980\n");
//! assert!(Head::read_binary(&mut reply).unwrap().is_none());
//! ```

#![forbid(unsafe_code)]

pub mod archive;
pub mod command;
pub mod cursor;
pub mod error;
pub mod fetch;
pub mod info;
pub mod list;
pub mod name;
pub mod status;
