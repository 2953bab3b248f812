//! Datagrams of every sort: as collectd packs them, and put together part by part from what may stand there.

use coco_core::value_list::{Identifier, Interval, Time, Value, ValueList};
use coco_core::wire::part::PartType;
use coco_core::wire::{PacketBuilder, PartOrder};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Largest payload of a UDP datagram over IPv4.
pub(crate) const LARGEST: usize = 65_507;

const NAMES: [&[u8]; 8] = [b"a", b"b", b"irq", b"vmem", b"a/b", b"\xff\xfe", b"idle", &[b'n'; 127]];
const HOSTS: [&[u8]; 6] = [b"web1", b"web2.example.org", b"\xc3\xa4", b"\xff", b"web1/irq", &[b'h'; 127]];

fn instance() -> impl Strategy<Value = &'static [u8]> {
    prop_oneof![1 => Just(&b""[..]), 2 => select(&NAMES[..])]
}

fn time() -> impl Strategy<Value = Time> {
    prop_oneof![(1_u64..9).prop_map(Time::Seconds), (1_u64..1 << 62).prop_map(Time::HighResolution)]
}

fn interval() -> impl Strategy<Value = Interval> {
    prop_oneof![
        Just(Interval::NONE),
        Just(Interval::Seconds(0)),
        (1_u64..9).prop_map(Interval::Seconds),
        (1_u64..1 << 40).prop_map(Interval::HighResolution),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<u64>().prop_map(Value::Counter),
        any::<u64>().prop_map(|bits| Value::Gauge(f64::from_bits(bits))),
        any::<i64>().prop_map(Value::Derive),
        any::<u64>().prop_map(Value::Absolute),
    ]
}

prop_compose! {
    fn value_list(hosts: &'static [&'static [u8]])(
        host in select(hosts),
        plugin in select(&NAMES[..]),
        plugin_instance in instance(),
        type_name in select(&NAMES[..]),
        type_instance in instance(),
        time in time(),
        interval in interval(),
        values in vec(value(), 1..5),
    ) -> ValueList {
        let identifier = Identifier {
            host: host.to_vec(),
            plugin: plugin.to_vec(),
            plugin_instance: plugin_instance.to_vec(),
            type_name: type_name.to_vec(),
            type_instance: type_instance.to_vec(),
        };
        ValueList::new(identifier, time, interval, &values)
    }
}

/// The datagrams that an agent (one host) or a relay (many) sends.
pub(crate) fn packed(hosts: &'static [&'static [u8]]) -> impl Strategy<Value = Vec<Vec<u8>>> {
    let limit = prop_oneof![4 => 200_usize..1500, 1 => Just(LARGEST)];
    let order = select(&[PartOrder::Collectd, PartOrder::Libcollectdclient][..]);
    (limit, order, vec(value_list(hosts), 1..40)).prop_map(|(limit, order, lists)| {
        let mut builder = PacketBuilder::with_order(limit, order);
        lists.iter().for_each(|list| builder.push(&list.as_ref()));
        builder.close();
        builder.packets().map(|(_, bytes)| bytes.to_vec()).collect()
    })
}

pub(crate) fn of_one_host() -> impl Strategy<Value = Vec<Vec<u8>>> {
    (0..HOSTS.len()).prop_flat_map(|host| packed(&HOSTS[host..=host]))
}

fn part(kind: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = kind.to_be_bytes().to_vec();
    bytes.extend((payload.len() as u16 + 4).to_be_bytes());
    bytes.extend(payload);
    bytes
}

fn string(kind: PartType, text: &[u8]) -> Vec<u8> {
    part(kind.0, &[text, b"\0"].concat())
}

fn number(kind: PartType, number: u64) -> Vec<u8> {
    part(kind.0, &number.to_be_bytes())
}

fn values(values: &[Value]) -> Vec<u8> {
    let mut payload = (values.len() as u16).to_be_bytes().to_vec();
    payload.extend(values.iter().map(|value| value.kind() as u8));
    payload.extend(values.iter().flat_map(|value| value.to_wire()));
    part(PartType::VALUES.0, &payload)
}

/// The smallest datagram that means something.
pub(crate) fn one_value_list(host: &[u8]) -> Vec<u8> {
    one_value_list_of(host, b"p")
}

fn one_value_list_of(host: &[u8], plugin: &[u8]) -> Vec<u8> {
    [
        string(PartType::HOST, host),
        number(PartType::TIME, 9),
        string(PartType::PLUGIN, plugin),
        string(PartType::TYPE, b"t"),
        values(&[Value::Gauge(1.0)]),
    ]
    .concat()
}

/// One value list after another with the same names, up to so many bytes.
pub(crate) fn many_value_lists(list: &[Value], bytes: usize) -> Vec<u8> {
    many_value_lists_of((b"web1", b"p"), list, bytes)
}

/// The same, of a host and a plugin.
pub(crate) fn many_value_lists_of((host, plugin): (&[u8], &[u8]), list: &[Value], bytes: usize) -> Vec<u8> {
    let mut datagram = one_value_list_of(host, plugin);
    let list = values(list);
    while datagram.len() + list.len() <= bytes {
        datagram.extend(&list);
    }
    datagram
}

/// One notification after another, up to so many bytes: the longest names, and for each the fewest bytes.
pub(crate) fn many_notifications(bytes: usize) -> Vec<u8> {
    let kinds = [
        PartType::HOST,
        PartType::PLUGIN,
        PartType::PLUGIN_INSTANCE,
        PartType::TYPE,
        PartType::TYPE_INSTANCE,
    ];
    let names = kinds.into_iter().flat_map(|kind| string(kind, &[b'n'; 127]));
    let mut datagram: Vec<u8> = names.collect();
    datagram.extend([number(PartType::TIME, 9), number(PartType::SEVERITY, 4)].concat());
    let message = string(PartType::MESSAGE, b"x");
    while datagram.len() + message.len() <= bytes {
        datagram.extend(&message);
    }
    datagram
}

fn name_part() -> impl Strategy<Value = Vec<u8>> {
    let optional = select(&[PartType::PLUGIN_INSTANCE, PartType::TYPE_INSTANCE][..]);
    let required = select(&[PartType::PLUGIN, PartType::TYPE][..]);
    prop_oneof![
        4 => (optional, instance()).prop_map(|(kind, name)| string(kind, name)),
        4 => (required, select(&NAMES[..])).prop_map(|(kind, name)| string(kind, name)),
        2 => select(&HOSTS[..]).prop_map(|host| string(PartType::HOST, host)),
        // What is missing is refused; what stands behind the first NUL is not part of the name.
        1 => select(&[PartType::HOST, PartType::PLUGIN, PartType::TYPE][..]).prop_map(|kind| string(kind, b"")),
        1 => Just(part(PartType::HOST.0, b"web1\0rest\0")),
    ]
}

fn number_part() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => time().prop_map(|time| match time {
            Time::Seconds(seconds) => number(PartType::TIME, seconds),
            Time::HighResolution(units) => number(PartType::TIME_HR, units),
        }),
        3 => interval().prop_map(|interval| match interval {
            Interval::Seconds(seconds) => number(PartType::INTERVAL, seconds),
            Interval::HighResolution(units) => number(PartType::INTERVAL_HR, units),
        }),
        // No time: 0, and what is 0 in units of 2^-30 s.
        1 => select(&[0_u64, 1 << 34][..]).prop_map(|seconds| number(PartType::TIME, seconds)),
        1 => select(&[0_u64, 1, 2, 3, 4, (1 << 32) + 4][..]).prop_map(|number_| number(PartType::SEVERITY, number_)),
    ]
}

fn odd_part() -> impl Strategy<Value = Vec<u8>> {
    let code = prop_oneof![Just(0x000a_u16), 0x0300_u16..0x0400];
    prop_oneof![
        4 => (code, vec(any::<u8>(), 0..40)).prop_map(|(code, payload)| part(code, &payload)),
        3 => select(vec![&b""[..], b"all is well", &[b'm'; 255]]).prop_map(|text| string(PartType::MESSAGE, text)),
        1 => Just(part(PartType::SIGN_SHA256.0, &[0; 36])),
    ]
}

/// What ends a datagram.
fn error() -> impl Strategy<Value = Vec<u8>> {
    let errors = vec![
        vec![0],
        vec![0, 6, 0],
        vec![0, 0, 0, 3],
        vec![0, 4, 0, 9, b'x'],
        part(PartType::TIME.0, &[0; 7]),
        part(PartType::PLUGIN.0, b"no NUL"),
        part(PartType::PLUGIN.0, b""),
        string(PartType::TYPE, &[b'x'; 128]),
        string(PartType::MESSAGE, &[b'x'; 256]),
        part(PartType::VALUES.0, &[0, 1, 1, 0, 0]),
        part(PartType::VALUES.0, &[0, 1, 4, 0, 0, 0, 0, 0, 0, 0, 0]),
        part(PartType::VALUES.0, &[0]),
        part(PartType::ENCR_AES256.0, &[0; 60]),
    ];
    select(errors)
}

fn any_part() -> impl Strategy<Value = Vec<u8>> {
    let some = vec(value(), 0..6);
    let many = (6_usize..400, value()).prop_map(|(count, value)| vec![value; count]);
    prop_oneof![
        30 => name_part(),
        20 => number_part(),
        25 => some.prop_map(|list| values(&list)),
        2 => many.prop_map(|list| values(&list)),
        5 => odd_part(),
    ]
}

/// What most datagrams start with, so that not all value lists lack something.
fn beginning() -> impl Strategy<Value = Vec<u8>> {
    let whole = (select(&HOSTS[..]), time(), select(&NAMES[..]), select(&NAMES[..])).prop_map(
        |(host, time, plugin, type_name)| {
            [
                string(PartType::HOST, host),
                number(PartType::TIME_HR, time.cdtime().max(1)),
                string(PartType::PLUGIN, plugin),
                string(PartType::TYPE, type_name),
            ]
            .concat()
        },
    );
    prop_oneof![6 => whole, 1 => Just(Vec::new())]
}

prop_compose! {
    /// Parts in any order, and perhaps an error at the end or in between.
    pub(crate) fn by_hand()(
        beginning in beginning(),
        parts in vec(any_part(), 0..60),
        error in proptest::option::weighted(0.15, error()),
        behind in vec(any_part(), 0..3),
    ) -> Vec<u8> {
        let mut bytes = beginning;
        for part in parts {
            if bytes.len() + part.len() < LARGEST - 8000 {
                bytes.extend(part);
            }
        }
        if let Some(error) = error {
            bytes.extend(error);
            bytes.extend(behind.concat());
        }
        bytes.truncate(LARGEST);
        bytes
    }
}

prop_compose! {
    /// Value lists larger than any packet, up to what a datagram holds.
    fn large()(beginning in beginning(), counts in vec(100_usize..7270, 1..4), value in value()) -> Vec<u8> {
        let mut bytes = beginning;
        for count in counts {
            let room = (LARGEST - bytes.len()).saturating_sub(6) / 9;
            bytes.extend(values(&vec![value; count.min(room)]));
            if bytes.len() > LARGEST - 6 {
                break;
            }
        }
        bytes.truncate(LARGEST);
        bytes
    }
}

/// The datagrams of one batch.
pub(crate) fn datagrams() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let one = prop_oneof![
        4 => of_one_host(),
        3 => packed(&HOSTS),
        6 => vec(by_hand(), 1..4),
        1 => large().prop_map(|datagram| vec![datagram]),
        1 => Just(vec![Vec::new()]),
    ];
    vec(one, 1..6).prop_map(|datagrams| datagrams.concat())
}
