//! RRD files as bytes, without librrd, which locks what it opens: while it reads a file, whoever writes there fails, and
//! loses what it had to write. Here bytes are read that somebody has copied.
//!
//! This crate owns no socket, no thread, no clock and no file.
//!
//! - [`layout`] is what a file is made of and where: step, data sources, archives;
//! - [`file`](mod@file) is a file whose bytes fit its layout, with its rows;
//! - [`merge`] makes one file of two that hold the same metric;
//! - [`compare`] says what of one file is not in another.
//!
//! A file is laid out as the C library of its machine lays out structs (rrd_format.h). What is read here is that of
//! 64-bit little-endian machines, of rrdtool 1.3 and later (format 3 and 4): all numbers are of 8 bytes.
//!
//! ```text
//!     0  cookie "RRD\0", version "0003\0", then at 16 a double that tells machines apart
//!    24  data sources D, archives A, step, 10 x 8 unused                     128 bytes
//!   128  D x: name 20, type 20, heartbeat, minimum, maximum, 7 x 8 unused    120 bytes each
//!        A x: function 20 (24), rows, steps of a row, xff, 9 x 8             120 bytes each
//!        last update: seconds, microseconds                                   16 bytes
//!        D x: last value as text 30 (32), 10 x 8: seconds unknown, sum       112 bytes each
//!        A x D x: 10 x 8: the row in progress: sum, steps unknown             80 bytes each
//!        A x: which of the rows was written last                               8 bytes each
//!        A x rows x D x: a double
//! ```

#![forbid(unsafe_code)]

pub mod compare;
pub mod file;
pub mod layout;
pub mod merge;
