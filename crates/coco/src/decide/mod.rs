//! The second stage: decides of each value list whether it is sent, and to whom.

mod filter;
mod run;
mod tally;

pub use filter::{Decided, Filter};
