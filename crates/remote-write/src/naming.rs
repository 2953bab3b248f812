//! What series are called: as collectd's write_prometheus plugin calls them, so that dashboards go on, and legal where
//! that is not.
//!
//! | of a value list | is in |
//! |---|---|
//! | plugin, type, data source | `__name__`: `collectd_` PLUGIN `_` TYPE `_` SOURCE, without PLUGIN where it is TYPE, without SOURCE where it is `value`, and with `_total` behind it if it is a counter or a derive |
//! | host | `instance` |
//! | plugin instance | a label that is called like the plugin |
//! | type instance | `type`, or if there is no plugin instance a label that is called like the plugin |
//!
//! Rows of RRD files are called alike, but that those of what counts are rates: `_rate` stands in place of `_total`, and
//! behind the name of an ABSOLUTE.
//!
//! collectd does not look whether that makes legal names, and one that is not has a whole page refused. Here whatever may
//! not stand in a name becomes `_`, and what is no UTF-8 in a value U+FFFD. So two series may become one.

use std::borrow::Cow;

use coco_core::types_db::DataSource;
use coco_core::value_kind::ValueKind;
use coco_core::value_list::IdentifierRef;

use crate::message::Label;

/// The label that is the name of a series.
pub const NAME: &str = "__name__";
/// The label that is the host.
pub const INSTANCE: &str = "instance";
/// The label that is the type instance, where there is a plugin instance as well.
const TYPE: &str = "type";

/// The labels of the series of a data source, in order of their names as bytes. Of the `external` ones those are added
/// whose names the series does not have.
pub fn labels(
    identifier: &IdentifierRef<'_>,
    source: &DataSource,
    external: &[(String, String)],
) -> Vec<Label> {
    let behind = if matches!(source.kind, ValueKind::Counter | ValueKind::Derive) { "_total" } else { "" };
    labels_of(identifier, &source.name, behind, external)
}

/// The labels of rows of a data source, which may be rates.
pub fn labels_of_rows(identifier: &IdentifierRef<'_>, source: &[u8], is_rate: bool) -> Vec<Label> {
    labels_of(identifier, source, if is_rate { "_rate" } else { "" }, &[])
}

fn labels_of(
    identifier: &IdentifierRef<'_>,
    source: &[u8],
    behind: &str,
    external: &[(String, String)],
) -> Vec<Label> {
    let plugin = slashless(identifier.plugin);
    let plugin_instance = slashless(identifier.plugin_instance);
    let type_instance = slashless(identifier.type_instance);
    let mut labels = vec![
        label(NAME.to_owned(), family(&plugin, identifier.type_name, source) + behind),
        label(INSTANCE.to_owned(), value(&slashless(identifier.host))),
    ];
    match (plugin_instance.is_empty(), type_instance.is_empty()) {
        (true, true) => {}
        (false, true) => labels.push(label(name(&plugin, false), value(&plugin_instance))),
        (true, false) => labels.push(label(name(&plugin, false), value(&type_instance))),
        (false, false) => {
            labels.push(label(name(&plugin, true), value(&plugin_instance)));
            labels.push(label(TYPE.to_owned(), value(&type_instance)));
        }
    }
    for (name, value) in external {
        if labels.iter().all(|label| label.name != *name) {
            labels.push(label(name.clone(), value.clone()));
        }
    }
    labels.sort_by(|one, other| one.name.cmp(&other.name));
    labels
}

/// Whether something may be the name of a label.
pub fn is_label_name(text: &str) -> bool {
    let may_stand = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !text.is_empty() && !text.as_bytes()[0].is_ascii_digit() && text.bytes().all(may_stand)
}

fn label(name: String, value: String) -> Label {
    Label { name, value }
}

/// As collectd's core has names without slashes.
fn slashless(name: &[u8]) -> Cow<'_, [u8]> {
    if !name.contains(&b'/') {
        return Cow::Borrowed(name);
    }
    if name == b"/" {
        return Cow::Borrowed(b"root");
    }
    let name = name.strip_prefix(b"/").unwrap_or(name);
    Cow::Owned(name.iter().map(|&byte| if byte == b'/' { b'_' } else { byte }).collect())
}

fn family(plugin: &[u8], type_name: &[u8], source: &[u8]) -> String {
    let mut family = String::from("collectd_");
    if plugin != type_name {
        push(&mut family, plugin, true);
        family.push('_');
    }
    push(&mut family, type_name, true);
    if source != b"value" {
        family.push('_');
        push(&mut family, source, true);
    }
    family
}

/// A plugin as the name of a label that is no other's.
fn name(plugin: &[u8], beside_type: bool) -> String {
    let mut name = String::with_capacity(plugin.len());
    if plugin.first().is_some_and(u8::is_ascii_digit) {
        name.push('_');
    }
    push(&mut name, plugin, false);
    if name == INSTANCE || name == NAME || (beside_type && name == TYPE) {
        name.insert_str(0, "exported_");
    }
    name
}

fn push(to: &mut String, bytes: &[u8], colons: bool) {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || (colons && byte == b':');
    to.extend(bytes.iter().map(|&byte| if legal(byte) { char::from(byte) } else { '_' }));
}

fn value(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_are_those_of_collectds_core() {
        for (name, expected) in
            [("", ""), ("a", "a"), ("/", "root"), ("/a/b", "a_b"), ("//b", "_b"), ("a/", "a_")]
        {
            assert_eq!(*slashless(name.as_bytes()), *expected.as_bytes(), "{name:?}");
        }
    }

    #[test]
    fn external_labels_give_way_to_those_of_the_series() {
        let identifier = IdentifierRef {
            host: b"h",
            plugin: b"cluster",
            plugin_instance: b"own",
            type_name: b"load",
            type_instance: b"",
        };
        let source = DataSource { name: b"value".to_vec(), kind: ValueKind::Gauge, min: None, max: None };
        let external =
            [("cluster", "a"), ("__replica__", "one")].map(|(name, value)| (name.into(), value.into()));
        let labels = labels(&identifier, &source, &external);
        let shown: Vec<_> = labels.iter().map(|label| (label.name.as_str(), label.value.as_str())).collect();
        let expected = [
            ("__name__", "collectd_cluster_load"),
            ("__replica__", "one"),
            ("cluster", "own"),
            ("instance", "h"),
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn rows_of_what_counts_are_rates() {
        let identifier = IdentifierRef {
            host: b"web1",
            plugin: b"interface",
            plugin_instance: b"eth0",
            type_name: b"if_octets",
            type_instance: b"",
        };
        for (source, is_rate, name) in [
            (&b"rx"[..], true, "collectd_interface_if_octets_rx_rate"),
            (b"value", true, "collectd_interface_if_octets_rate"),
            (b"value", false, "collectd_interface_if_octets"),
        ] {
            let labels = labels_of_rows(&identifier, source, is_rate);
            let shown: Vec<_> = labels.iter().map(|label| (&*label.name, &*label.value)).collect();
            assert_eq!(shown, [(NAME, name), (INSTANCE, "web1"), ("interface", "eth0")]);
        }
    }
}
