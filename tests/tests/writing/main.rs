//! From agents to storage nodes and engines, with real ones at both ends.

mod agent_to_storage;
mod collectd_alone;
mod collectd_tg;
mod datagrams;
mod growing;
mod linger;
mod operation;
mod remote_write;
mod remote_write_secured;
mod security;
mod sent_and_received;
mod two_cocos;
