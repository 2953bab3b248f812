//! From storage nodes back to who asks: through Noodle, what stands before it, and what it asks.

mod balancers;
mod graphite;
mod noodle_clients;
mod noodle_reads;
mod noodle_webrick;
mod remote_read;
mod rrdcached_faults;
mod rrdcached_reads;
