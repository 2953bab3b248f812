//! All that value lists are decided and sent by.

mod partitions;
mod routing;
mod rules;

pub use partitions::Partitions;
pub use routing::{Newest, Routing};
pub use rules::Rules;
