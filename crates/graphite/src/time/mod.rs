//! Time texts: `from`, `until`, and the lengths of time in arguments of functions.
//!
//! The grammar is that of at(1), as Graphite has it. The clock is not read here: `now` is given, and so is the time
//! zone in which days begin.

mod interval;
mod reference;
mod window;

pub use interval::interval;
pub(crate) use interval::unit;
pub use reference::time;
pub(crate) use reference::{local, seconds_of};
pub use window::Window;
