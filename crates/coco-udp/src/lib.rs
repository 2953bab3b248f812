//! All system calls of UDP, many datagrams a call.
//!
//! - [`listen()`] makes sockets to receive by, of a group as long as there is a [`Membership`]; [`Receiver`] fills
//!   [`Slots`] from one;
//! - [`connect()`] makes sockets to send by; as an [`OwnSocket`], what comes back from one is known for what it is.
//!   [`Transmitter`] sends by it, several packets as the `segments` of one message where the kernel cuts them up again;
//! - [`receive_buffer`] and [`usage`] tell how much the kernel keeps, and [`kernel_drops`] what found no room.

#![forbid(unsafe_code)]

mod connect;
mod listen;
mod membership;
mod own_sockets;
mod receive;
mod receive_buffer;
mod segments;
mod transmit;

pub use connect::{connect, is_local};
pub use listen::{ListenOptions, all_addresses, listen};
pub use membership::{Membership, interface_index};
pub use own_sockets::{OwnAddresses, OwnSocket};
pub use receive::{DATAGRAMS_PER_CALL, Receiver, Slots, Wait};
pub use receive_buffer::{Usage, inode, kernel_drops, receive_buffer, usage};
pub use transmit::{Transmitter, knows_segments, refuses_segments};
