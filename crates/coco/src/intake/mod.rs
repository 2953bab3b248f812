//! Intake: who may send, what is in it, and which lane has it.

mod gate;
mod group;
mod listen;
mod spread;

pub use gate::{Admission, Gate};
pub use group::keep_membership;
pub use listen::{Complaints, decode};
pub use spread::{LaneOfHost, Spread};
