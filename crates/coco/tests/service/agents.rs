//! What collectds send.

use coco_core::value_list::{Identifier, Interval, Time, Value, ValueList};

/// `plugin/type` of a host, whose counter stands at `count`.
pub(crate) fn value_list(host: &[u8], plugin: &str, type_name: &str, count: u64) -> ValueList {
    let identifier = Identifier {
        host: host.to_vec(),
        plugin: plugin.into(),
        type_name: type_name.into(),
        ..Identifier::default()
    };
    let (time, interval) =
        (Time::HighResolution((1_700_000_000 + count) << 30), Interval::HighResolution(10 << 30));
    ValueList::new(identifier, time, interval, &[Value::Derive(count as i64)])
}
