//! An HTTP server for a few routes and any number of curious, slow or hostile clients.
//!
//! - [`body`] makes answers: JSON, text, errors, and large ones that are produced while they are sent;
//! - [`router`] is the table of routes, listed at `/`;
//! - [`server`] binds, accepts and serves within [`server::Limits`];
//! - `connections` is the bounded table of who is connected, and who has to go when it is full.

pub mod body;
mod connections;
pub mod router;
pub mod server;

pub use body::{Body, Response};
pub use connections::HangUp;
pub use router::{Request, Router};
pub use server::{BindError, Limits, bind, serve, serve_and_count};
