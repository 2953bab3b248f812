//! collectd's value lists as series of Prometheus: how they are called, how they are queued and sent by remote write 1.0,
//! and what to do with each answer. And the messages of remote read 1.0.
//!
//! This crate owns no socket, no thread and no clock. A value list meets the modules in this order:
//!
//! - [`naming`] gives it the names and labels that collectd's own write_prometheus plugin gives it, and makes them legal;
//! - [`sample`] makes samples of its values, or says why there are none;
//! - [`relabel`] drops series by rules of an operator;
//! - `lists` knows value lists by their names, and [`series`] the series of their values and when they were last written;
//! - [`queue`] holds samples in `batches`, in bounded memory, until they are sent;
//! - [`message`] has the messages as protobuf, [`request`] makes one of a batch;
//! - [`answer`] tells what an engine means by its answer, [`delivery`] what to do next with a batch;
//! - [`read`] unpacks what a Prometheus asks by remote read, and packs what it is answered.
//!
//! ```
//! use coco_core::types_db::TypesDb;
//! use coco_core::value_list::{Identifier, Interval, Time, Value, ValueList};
//! use remote_write::naming::labels;
//! use remote_write::sample::sources;
//!
//! let (types, _) = TypesDb::parse(b"if_octets rx:DERIVE:0:U, tx:DERIVE:0:U");
//! let identifier = Identifier {
//!     host: b"web1".to_vec(),
//!     plugin: b"interface".to_vec(),
//!     plugin_instance: b"eth0".to_vec(),
//!     type_name: b"if_octets".to_vec(),
//!     type_instance: b"".to_vec(),
//! };
//! let values = [Value::Derive(1), Value::Derive(2)];
//! let list = ValueList::new(identifier, Time::Seconds(1_795_303_000), Interval::NONE, &values);
//!
//! let sources = sources(&list.as_ref(), &types).unwrap();
//! let labels = labels(&list.as_ref().identifier, &sources[0], &[]);
//! let shown: Vec<_> = labels.iter().map(|label| format!("{}={}", label.name, label.value)).collect();
//! assert_eq!(shown, ["__name__=collectd_interface_if_octets_rx_total", "instance=web1", "interface=eth0"]);
//! ```

#![forbid(unsafe_code)]

pub mod answer;
mod batches;
pub mod delivery;
mod lists;
pub mod message;
pub mod naming;
pub mod queue;
pub mod read;
pub mod relabel;
pub mod request;
pub mod sample;
pub mod series;
