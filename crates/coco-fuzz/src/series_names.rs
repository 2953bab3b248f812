//! What an agent calls its values, on the way to an engine that refuses a whole request for one bad name.

use coco_core::types_db::TypesDb;
use coco_core::value_list::{Identifier, Interval, Time, Value, ValueList};
use remote_write::message::Label;
use remote_write::naming::{INSTANCE, NAME, is_label_name, labels};
use remote_write::request::{decode, encode_labels, push_series};
use remote_write::sample::sources;

/// Five names, parted by NUL as no name has one: those that make a value list make labels that are legal, in order, and
/// written as they are.
pub fn holds(bytes: &[u8]) {
    let mut names = bytes.split(|&byte| byte == 0).map(<[u8]>::to_vec);
    let mut next = || names.next().unwrap_or_default();
    let identifier = Identifier {
        host: next(),
        plugin: next(),
        plugin_instance: next(),
        type_instance: next(),
        type_name: b"t".to_vec(),
    };
    let (types, _) = TypesDb::parse(&[b"t ", &next()[..], b":DERIVE:U:U"].concat());
    let list = ValueList::new(identifier, Time::Seconds(1), Interval::NONE, &[Value::Derive(1)]);
    let list = list.as_ref();
    let Ok(sources) = sources(&list, &types) else { return };
    let labels = labels(&list.identifier, &sources[0], &[("cluster".to_owned(), "a".to_owned())]);
    are_legal(&labels);
    let mut body = Vec::new();
    push_series(&mut body, &encode_labels(&labels), [(1, 1.0)].into_iter());
    let request = decode(&body).expect("it is written as a request");
    assert_eq!(request.timeseries[0].labels, labels);
}

fn are_legal(labels: &[Label]) {
    assert!(labels.windows(2).all(|pair| pair[0].name < pair[1].name), "{labels:?}");
    assert!(labels.iter().all(|label| is_label_name(&label.name) && !label.value.is_empty()), "{labels:?}");
    let has = |name: &str| labels.iter().any(|label| label.name == name);
    assert!(has(NAME) && has(INSTANCE), "{labels:?}");
    let family = labels.iter().find(|label| label.name == NAME).map(|label| label.value.as_str());
    let may_stand = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':';
    assert!(family.is_some_and(|family| family.starts_with("collectd_") && family.bytes().all(may_stand)));
}
