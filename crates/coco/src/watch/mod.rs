//! Views of a running coco: everything that is counted, measured and remembered, at one moment.

mod engines;
mod measure;
mod page;
mod reading;
mod receive_buffers;
pub mod recent;
mod search;
pub mod snapshot;
mod summary;

pub use engines::shown as engine;
pub use measure::{HostsMoving, Intervals, Measure, Measurement, OfTarget};
pub use reading::{Hosts, count_accepted};
pub use receive_buffers::{Capacity, ReceiveBuffers};
pub use search::{Found, Name, Row, Search, count_silent};
pub use summary::{Sizes, Summary};
