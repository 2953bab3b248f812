//! A storage node by its Visage, over HTTP.
//!
//! - [`url`] is what may stand in what it is asked;
//! - `connection` makes connections, `kept` has those that may be used again;
//! - `body` reads answers, [`gzip`] those that are compressed all the same.

pub(super) mod body;
pub(super) mod connection;
pub mod gzip;
pub(super) mod kept;
pub mod url;
