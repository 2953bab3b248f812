//! All system calls of UDP, many datagrams a call.
//!
//! - `listen` makes sockets to receive by, of a group as long as there is a `membership`; `receive` fills slots from one;
//! - `connect` makes sockets to send by; `own_sockets` tells what comes back from one for what it is; `transmit` sends by
//!   it, several packets as `segments` of one message where the kernel cuts them up again;
//! - `receive_buffer` tells how much the kernel keeps, and what found no room.

#![expect(clippy::disallowed_methods, reason = "this is the place")]
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
pub use listen::{ListenOptions, all_addresses, listen, take_over};
pub use membership::{Membership, interface_index};
pub use own_sockets::{OwnAddresses, OwnSocket};
pub use receive::{DATAGRAMS_PER_CALL, Receiver, Slots, Wait};
pub use receive_buffer::{Usage, inode, kernel_drops, receive_buffer, usage};
pub use transmit::{Transmitter, knows_segments, refuses_segments};
