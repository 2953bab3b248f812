//! The laws that hold for what leaves: nothing is lost, changed, sent elsewhere or counted wrongly, whatever comes.
//!
//! The stages run one after another without sockets or threads. `inputs` makes datagrams, `model` says what must
//! become of them, `books` what must be counted and remembered.

#![allow(clippy::unwrap_used, reason = "what fails here is a failed test")]

mod books;
mod changes;
mod delivery;
mod inputs;
mod linger;
mod model;
mod security;
mod spread;
mod stages;
mod strangers;
