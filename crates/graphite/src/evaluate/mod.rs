//! Evaluating targets over series that the caller provides.

mod request;
mod store;
mod walk;

pub use request::{Evaluation, Progress, Request};
pub use store::{Fetch, Room};
