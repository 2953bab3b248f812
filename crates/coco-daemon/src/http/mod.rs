//! An HTTP server for a few routes and any number of curious, slow or hostile clients.
//!
//! - [`body`] makes answers: JSON, text, errors, and large ones that are produced while they are sent;
//! - [`router`] is the table of routes, listed at `/`, [`route`] one of them; [`request`] is what they are asked, with its [`parameters`];
//! - [`encoding`] compresses them;
//! - [`form`] reads the bodies of requests, within memory that is lent;
//! - [`shared`] makes one rendering of a view for all who ask for it;
//! - [`listener`] binds, [`limits`] is what clients may take of us;
//! - [`server`] is the two threads that serve: `lobby` accepts and answers what must not wait, `conversation` answers
//!   everything else;
//! - [`refusals`] counts who is told to come again by the server itself;
//! - `site` is what these share;
//! - `access` logs what was asked and answered;
//! - `host` finds a request invalid before it is looked at;
//! - `activity` is what a connection is doing, `socket` tells it;
//! - `connections` is the bounded table of who is connected, `turns` is who has to go when it is full.

mod access;
mod activity;
pub mod body;
mod connections;
mod conversation;
pub mod encoding;
pub mod form;
mod host;
pub mod limits;
pub mod listener;
mod lobby;
pub mod parameters;
pub mod refusals;
pub mod request;
pub mod route;
pub mod router;
pub mod server;
pub mod shared;
mod site;
mod socket;
mod turns;

pub use body::{Body, Response};
pub use connections::HangUp;
pub use encoding::Encoding;
pub use form::{FormTerms, Loan};
pub use limits::Limits;
pub use listener::{BindError, bind, take_or_bind};
pub use parameters::Parameter;
pub use refusals::Refusals;
pub use request::Request;
pub use route::{Answer, Handler, Preflight, Route};
pub use router::Router;
pub use server::{Server, serve};
pub use shared::{Rendered, Shared, Untaken};
pub use site::Pulse;
