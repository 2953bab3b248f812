//! The HTTP server as its clients meet it, over real sockets.

#![allow(clippy::unwrap_used, reason = "what fails here is a failed test")]

mod answers;
mod client;
mod descriptors;
mod forms;
mod limits;
mod protocol;
mod shutdown;
