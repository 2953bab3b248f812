//! All system calls of UDP.

mod membership;
mod own_sockets;
mod segments;
pub mod socket;

pub use membership::Membership;
pub use own_sockets::{OwnAddresses, OwnSocket};
