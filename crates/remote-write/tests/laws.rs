//! What holds of any value list, and of a queue whatever comes and whatever is answered.

#![allow(clippy::unwrap_used, reason = "a test says what it met by its line")]

use std::collections::HashMap;
use std::sync::Arc;

use coco_core::types_db::TypesDb;
use coco_core::value_list::{Identifier, Interval, Time, Value, ValueList};
use proptest::prelude::*;
use remote_write::naming::{INSTANCE, NAME, is_label_name, labels};
use remote_write::queue::{Batch, Queue, SampleDrop, Settings, Tally};
use remote_write::relabel::{Action, Rule};
use remote_write::request::decode;
use remote_write::sample::{ListDrop, sources};

fn any_name(least: usize) -> impl Strategy<Value = Vec<u8>> {
    let odd = prop::sample::select(b"a/Z_0:-.\xff\xc3\xa9\"\n ".as_slice());
    prop_oneof![
        3 => prop::collection::vec(odd, least..8),
        1 => prop::collection::vec(1u8..=255, least..=127),
        1 => prop::sample::select(vec!["type", "instance", "__name__", "/", "//", "9", "le", "job"])
            .prop_map(|name| name.as_bytes().to_vec()),
    ]
}

fn identifier() -> impl Strategy<Value = Identifier> {
    let names = (any_name(1), any_name(1), any_name(0), any_name(0));
    names.prop_map(|(host, plugin, plugin_instance, type_instance)| Identifier {
        host,
        plugin,
        plugin_instance,
        type_name: b"t".to_vec(),
        type_instance,
    })
}

fn is_family(name: &str) -> bool {
    let may_stand = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':';
    name.starts_with("collectd_") && name.bytes().all(may_stand)
}

proptest! {
    #[test]
    fn any_value_list_has_legal_names_and_labels(identifier in identifier(), source in "[a-z:.]{1,9}|value") {
        let source = source.replace(':', "-");
        let (types, problems) = TypesDb::parse(format!("t {source}:COUNTER:U:U").as_bytes());
        prop_assert_eq!(problems, []);
        let list = ValueList::new(identifier, Time::Seconds(1), Interval::NONE, &[Value::Counter(1)]);
        let sources = sources(&list.as_ref(), &types).unwrap();
        let external = [("cluster".to_owned(), "a".to_owned()), ("type".to_owned(), "b".to_owned())];
        let labels = labels(&list.as_ref().identifier, &sources[0], &external);
        prop_assert!(labels.windows(2).all(|pair| pair[0].name < pair[1].name), "{labels:?}");
        prop_assert!(labels.iter().all(|label| is_label_name(&label.name) && !label.value.is_empty()), "{labels:?}");
        let value = |name: &str| labels.iter().find(|label| label.name == name).map(|label| label.value.as_str());
        prop_assert!(is_family(value(NAME).unwrap()));
        prop_assert!(value(INSTANCE).is_some());
    }
}

/// Sixteen hosts, of few series each, with times that are mostly in order.
fn lists() -> impl Strategy<Value = Vec<(u8, u8, i64, u8)>> {
    prop::collection::vec((0u8..16, 0u8..4, -400i64..200, 0u8..6), 0..600)
}

fn list(host: u8, metric: u8, seconds: i64, kind: u8) -> ValueList {
    let identifier = Identifier {
        host: format!("h{host}").into_bytes(),
        plugin: b"p".to_vec(),
        plugin_instance: format!("{metric}").into_bytes(),
        type_name: if kind == 5 { b"unknown".to_vec() } else { b"two".to_vec() },
        type_instance: Vec::new(),
    };
    let values: &[Value] = match kind {
        3 => &[Value::Gauge(1.0)],
        4 => &[Value::Derive(1), Value::Gauge(1.0)],
        _ => &[Value::Gauge(f64::NAN), Value::Counter(7)],
    };
    ValueList::new(identifier, Time::Seconds(seconds as u64), Interval::NONE, values)
}

fn body(queue: &Queue, batch: &Batch) -> Vec<u8> {
    let mut body = Vec::new();
    queue.write_body(batch, 0..batch.len(), &mut body);
    body
}

fn add(sum: &mut Tally, more: &Tally) {
    sum.queued_lists += more.queued_lists;
    sum.queued += more.queued;
    sum.delivered += more.delivered;
    sum.dropped_lists.iter_mut().zip(more.dropped_lists).for_each(|(sum, more)| *sum += more);
    sum.dropped.iter_mut().zip(more.dropped).for_each(|(sum, more)| *sum += more);
}

proptest! {
    #[test]
    fn books_balance_memory_is_bounded_and_series_ascend(
        lists in lists(),
        max_memory in 2_000usize..60_000,
        batch_samples in 1usize..50,
        answers in prop::collection::vec(0u8..5, 1..20),
    ) {
        let (types, _) = TypesDb::parse(b"two a:GAUGE:U:U b:COUNTER:U:U");
        let rule = Rule::new(vec![INSTANCE.to_owned()], "h15", Action::Drop).unwrap();
        let settings = Settings {
            max_age: 300_000,
            max_ahead: 100_000,
            max_memory,
            batch_samples,
            batch_delay: 1000,
            labels: Vec::new(),
            relabel: vec![rule],
        };
        let mut queue = Queue::new(settings, Arc::new(types));
        let (mut sum, mut taken, mut answers) = (Tally::default(), 0, answers.into_iter().cycle());
        let mut newest: HashMap<Vec<_>, i64> = HashMap::new();
        for (at, &(host, metric, ahead, kind)) in lists.iter().enumerate() {
            let now = 1_000_000 + at as i64;
            queue.push(&list(host, metric, now + ahead, kind).as_ref(), now * 1000);
            taken += 1;
            let most = max_memory + 50 * 24 + 2000;
            prop_assert!(queue.bytes() <= most, "{} of {max_memory}", queue.bytes());
            let is_last = at + 1 == lists.len();
            while is_last || answers.next() == Some(0) {
                let Some(batch) = queue.take(now * 1000, is_last) else { break };
                let all = 0..batch.len();
                let request = decode(&body(&queue, &batch)).unwrap();
                prop_assert!(batch.len() <= batch_samples);
                for series in request.timeseries {
                    // Of what was forgotten for want of memory the last time is forgotten too.
                    let forgot = max_memory < 40_000;
                    let last = newest.entry(series.labels).or_insert(i64::MIN);
                    for sample in series.samples {
                        prop_assert!(forgot || sample.timestamp > *last);
                        *last = sample.timestamp;
                    }
                }
                match answers.next() {
                    Some(1) => queue.dropped(&batch, all, SampleDrop::Other),
                    _ => queue.delivered(&batch, all),
                }
                queue.finish(batch);
            }
            add(&mut sum, &queue.tally());
            let dropped_lists: u64 = sum.dropped_lists.iter().sum();
            prop_assert_eq!(taken, sum.queued_lists + dropped_lists);
            let dropped: u64 = sum.dropped.iter().sum();
            prop_assert_eq!(sum.queued, sum.delivered + dropped + queue.waiting() as u64);
        }
        prop_assert_eq!(queue.waiting(), 0);
    }
}

proptest! {
    /// Lists come in an order that repeats, as an agent's do, or in any; all may be forgotten between.
    #[test]
    fn every_sample_has_the_labels_of_its_value_list_in_whatever_order_they_come(
        round in prop::collection::vec((0u8..4, 0u8..4), 1..12),
        breaks in prop::collection::vec((0usize..40, 0u8..4, 0u8..4, 0u8..3), 0..12),
    ) {
        let (types, _) = TypesDb::parse(b"t value:GAUGE:U:U");
        let mut queue = Queue::new(settings(1 << 20, 1000), Arc::new(types));
        let mut names: Vec<(u8, u8)> = round.iter().copied().cycle().take(40).collect();
        breaks.iter().for_each(|&(at, host, metric, _)| names[at] = (host, metric));
        let mut expected = HashMap::<_, Vec<_>>::new();
        for (at, &(host, metric)) in names.iter().enumerate() {
            let now = 1_000 + at as i64;
            let (host, metric) = (format!("h{host}"), "m".repeat(usize::from(metric) + 1));
            let identifier = Identifier {
                host: host.clone().into_bytes(),
                plugin: b"p".to_vec(),
                plugin_instance: metric.clone().into_bytes(),
                type_name: b"t".to_vec(),
                type_instance: Vec::new(),
            };
            let value = Value::Gauge(at as f64);
            let list = ValueList::new(identifier, Time::Seconds(now as u64), Interval::NONE, &[value]);
            queue.push(&list.as_ref(), now * 1000);
            expected.entry((host, metric)).or_default().push(at as f64);
            match breaks.iter().find(|broken| broken.0 == at) {
                Some((.., 1)) => {
                    let labels = vec![("at".to_owned(), at.to_string())];
                    queue.change(Settings { labels, ..settings(1 << 20, 1000) }, Arc::new(TypesDb::parse(b"t value:GAUGE:U:U").0));
                }
                Some((.., 2)) => queue.change(settings(1 << 20, 1000), Arc::new(TypesDb::parse(b"t value:GAUGE:U:U\nu value:GAUGE:U:U").0)),
                _ => {}
            }
        }
        let batch = queue.take(2_000_000, true).unwrap();
        let mut found = HashMap::<_, Vec<_>>::new();
        for series in decode(&body(&queue, &batch)).unwrap().timeseries {
            let of = |name: &str| series.labels.iter().find(|label| label.name == name).unwrap().value.clone();
            found.entry((of(INSTANCE), of("p"))).or_default().extend(series.samples.iter().map(|sample| sample.value));
        }
        // A series is another with other labels.
        found.values_mut().for_each(|values| values.sort_by(f64::total_cmp));
        prop_assert_eq!(found, expected);
    }
}

proptest! {
    /// Two names lead to each series, the clock goes either way, and memory runs out.
    #[test]
    fn every_sample_has_the_labels_of_its_value_list_whatever_is_forgotten_by_whatever_clock(
        lists in prop::collection::vec((0u8..12, any::<bool>(), -50_000i64..60_000, 0u8..4), 1..300),
        max_memory in 2_000usize..8_000,
    ) {
        let for_ever = Settings { max_age: 1 << 40, max_ahead: 1 << 40, ..settings(max_memory, 20) };
        let mut queue = Queue::new(for_ever, Arc::new(TypesDb::parse(b"t value:GAUGE:U:U").0));
        let mut now = 1_000_000_000;
        for (at, &(host, has_slash, later, sends)) in lists.iter().enumerate() {
            now += later;
            let identifier = Identifier {
                host: format!("{}{host}", if has_slash { "/" } else { "" }).into_bytes(),
                plugin: b"p".to_vec(),
                type_name: b"t".to_vec(),
                ..Identifier::default()
            };
            let time = Time::Seconds(1_000_000 + at as u64);
            let value = Value::Gauge(at as f64);
            queue.push(&ValueList::new(identifier, time, Interval::NONE, &[value]).as_ref(), now);
            let batch = if sends == 0 { queue.take(now, true) } else { None };
            let Some(batch) = batch else { continue };
            for series in decode(&body(&queue, &batch)).unwrap().timeseries {
                let instance = series.labels.iter().find(|label| label.name == INSTANCE).unwrap();
                for sample in series.samples {
                    prop_assert_eq!(&instance.value, &lists[sample.value as usize].0.to_string());
                }
            }
            queue.delivered(&batch, 0..batch.len());
            queue.finish(batch);
        }
        prop_assert_eq!(queue.tally().dropped[SampleDrop::Relabel as usize], 0);
    }
}

#[test]
fn what_a_clock_that_ran_ahead_has_seen_is_forgotten_when_memory_runs_out() {
    const MEMORY: usize = 20_000;
    let mut queue = small(MEMORY);
    let push = |queue: &mut Queue, host, metric, now| {
        queue.push(&list(host, metric, now, 0).as_ref(), now * 1000);
        let batch = queue.take(now * 1000, true).unwrap();
        queue.delivered(&batch, 0..batch.len());
        queue.finish(batch);
    };
    let ahead = (0..=u8::MAX).take_while(|host| {
        push(&mut queue, *host, 1, 2_000_000_000);
        queue.bytes() <= MEMORY
    });
    assert!(ahead.count() < 200, "memory runs out");
    (0..200).for_each(|host| push(&mut queue, host, 2, 1_000_000_000));
    assert_eq!(queue.tally().dropped_lists, [0; ListDrop::ALL.len()]);
}

#[test]
fn reasons_are_named_once() {
    let mut names: Vec<_> = ListDrop::ALL.iter().map(|why| why.as_str()).collect();
    names.dedup();
    assert_eq!(names.len(), ListDrop::ALL.len());
    assert!(ListDrop::ALL.iter().enumerate().all(|(at, why)| *why as usize == at));
    assert!(SampleDrop::ALL.iter().enumerate().all(|(at, why)| *why as usize == at));
}

/// A queue of one series a host, up to so many samples.
fn small(max_memory: usize) -> Queue {
    let (types, _) = TypesDb::parse(b"two a:GAUGE:U:U b:COUNTER:U:U");
    Queue::new(settings(max_memory, 10), Arc::new(types))
}

fn settings(max_memory: usize, batch_samples: usize) -> Settings {
    Settings {
        max_age: 3_300_000,
        max_ahead: 600_000,
        max_memory,
        batch_samples,
        batch_delay: 1000,
        labels: Vec::new(),
        relabel: Vec::new(),
    }
}

#[test]
fn what_finds_no_memory_is_dropped_oldest_first() {
    let mut queue = small(20_000);
    for second in 0..1000 {
        queue.push(&list(1, 1, second + 10, 0).as_ref(), (second + 10) * 1000);
    }
    let tally = queue.tally();
    assert_eq!((tally.queued_lists, tally.queued), (1000, 2000));
    assert!(tally.dropped[SampleDrop::Full as usize] > 1000);
    let batch = queue.take(1_009_000, true).unwrap();
    let request = decode(&body(&queue, &batch)).unwrap();
    let oldest = request.timeseries[0].samples[0].timestamp;
    assert_eq!(oldest, 1_009_000 - (queue.waiting() as i64 / 2 - 1) * 1000);
}

#[test]
fn series_that_nobody_names_are_forgotten_after_a_day_whether_others_come_or_not() {
    let day = 86_400_000;
    let mut queue = small(1 << 20);
    let nothing = queue.bytes();
    queue.push(&list(1, 1, 100, 0).as_ref(), 100_000);
    let batch = queue.take(101_000, false).unwrap();
    queue.forget(100_000 + 2 * day);
    // It is under way.
    assert_eq!(queue.series(), 2);
    queue.delivered(&batch, 0..2);
    queue.finish(batch);
    queue.forget(100_000 + 3 * day);
    assert_eq!((queue.series(), queue.bytes()), (0, nothing));
}

#[test]
fn samples_are_gathered_until_there_are_enough_or_it_is_time() {
    let mut queue = small(1 << 20);
    queue.push(&list(1, 1, 100, 0).as_ref(), 100_000);
    assert!(queue.take(100_999, false).is_none());
    assert_eq!(queue.since(), Some(100_000));
    assert_eq!(queue.take(101_000, false).map(|batch| batch.len()), Some(2));
    for host in 0..5 {
        queue.push(&list(host, 2, 101, 0).as_ref(), 101_000);
    }
    assert_eq!(queue.take(101_000, false).map(|batch| batch.len()), Some(10));
}

#[test]
fn times_that_a_series_had_and_those_of_wrong_clocks_are_dropped_for_their_reasons() {
    let mut queue = small(1 << 20);
    let now = 100_000_000;
    for (seconds, why) in [
        (100_000, None),
        (100_000, Some(SampleDrop::Duplicate)),
        (99_999, Some(SampleDrop::Old)),
        (100_600, None),
        (100_601, Some(SampleDrop::Future)),
        (96_700, Some(SampleDrop::Old)),
        (96_699, Some(SampleDrop::TooOld)),
        (100_600 + 2 * 86_400, Some(SampleDrop::Future)),
    ] {
        queue.push(&list(1, 1, seconds, 0).as_ref(), now);
        let tally = queue.tally();
        let dropped = SampleDrop::ALL.into_iter().find(|why| tally.dropped[*why as usize] > 0);
        assert_eq!((dropped, tally.queued), (why, 2), "{seconds}");
    }
}
