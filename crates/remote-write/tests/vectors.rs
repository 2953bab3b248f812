//! What value lists become, held against vectors; `testdata/README.md` says where they are from.

#![allow(clippy::unwrap_used, reason = "a test says what it met by its line")]

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use coco_core::types_db::TypesDb;
use coco_core::value_kind::ValueKind;
use coco_core::value_list::{Identifier, Interval, Time, Value, ValueList};
use flate2::read::GzDecoder;
use remote_write::queue::{Queue, Settings};
use remote_write::request::{Compressor, decode};
use remote_write::sample::{ListDrop, milliseconds, sources};
use serde_json::Value as Json;

fn vectors() -> Vec<Json> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/contract.json.gz");
    let mut text = String::new();
    GzDecoder::new(File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn bytes(hex: &Json) -> Vec<u8> {
    let hex = hex.as_str().unwrap();
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn units(time: &Json) -> u64 {
    time.as_str().unwrap().parse().unwrap()
}

fn value([kind, value]: &[Json; 2]) -> Value {
    let value = value.as_str().unwrap();
    match kind.as_str().unwrap() {
        "gauge" => Value::Gauge(f64::from_bits(u64::from_str_radix(value, 16).unwrap())),
        "derive" => Value::Derive(value.parse().unwrap()),
        "counter" => Value::Counter(value.parse().unwrap()),
        "absolute" => Value::Absolute(value.parse().unwrap()),
        other => panic!("{other}"),
    }
}

fn pairs(array: &Json) -> Vec<[Json; 2]> {
    serde_json::from_value(array.clone()).unwrap()
}

fn value_list(input: &Json) -> ValueList {
    let name = |key: &str| bytes(&input[key]);
    let identifier = Identifier {
        host: name("host_hex"),
        plugin: name("plugin_hex"),
        plugin_instance: name("plugin_instance_hex"),
        type_name: name("type_hex"),
        type_instance: name("type_instance_hex"),
    };
    let values: Vec<Value> = pairs(&input["values"]).iter().map(value).collect();
    let interval = Interval::HighResolution(units(&input["interval_hr"]));
    ValueList::new(identifier, Time::HighResolution(units(&input["time_hr"])), interval, &values)
}

/// A types.db with the type of a value list, if it has one.
fn types(input: &Json) -> TypesDb {
    let mut text = Vec::new();
    if !input["data_sources"].is_null() {
        text.extend(bytes(&input["type_hex"]));
        for [name, kind] in pairs(&input["data_sources"]) {
            let kind: ValueKind =
                ValueKind::ALL.into_iter().find(|known| known.name() == kind.as_str().unwrap()).unwrap();
            text.extend(format!(" {}:{}:U:U", name.as_str().unwrap(), kind.name()).bytes());
        }
    }
    TypesDb::parse(&text).0
}

fn settings() -> Settings {
    Settings {
        max_age: i64::MAX,
        max_ahead: i64::MAX,
        max_memory: 1 << 20,
        batch_samples: 100,
        batch_delay: 0,
        labels: Vec::new(),
        relabel: Vec::new(),
    }
}

#[test]
fn value_lists_become_the_samples_of_the_vectors() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 634);
    for vector in &vectors {
        let (id, input) = (&vector["id"], &vector["in"]);
        let (list, types) = (value_list(input), Arc::new(types(input)));
        let why = sources(&list.as_ref(), &types).err().map(ListDrop::as_str);
        assert_eq!(why, vector["drop"].as_str(), "{id}");

        let now = milliseconds(list.time);
        let mut queue = Queue::new(settings(), types);
        queue.push(&list.as_ref(), now);
        let Some(batch) = queue.take(now, true) else {
            assert!(why.is_some(), "{id}");
            continue;
        };
        let mut body = Vec::new();
        queue.write_body(&batch, 0..batch.len(), &mut body);
        assert_eq!(body, bytes(&vector["write_request_hex"]), "{id}");
        let plain = snap::raw::Decoder::new()
            .decompress_vec(&Compressor::default().compress(&body).unwrap())
            .unwrap();
        let request = decode(&plain).unwrap();
        let expected = vector["out"].as_array().unwrap();
        assert_eq!(request.timeseries.len(), expected.len(), "{id}");
        for (series, expected) in request.timeseries.iter().zip(expected) {
            let labels = series
                .labels
                .iter()
                .map(|label| [&label.name, &label.value].map(|it| Json::from(it.as_str())));
            assert_eq!(labels.collect::<Vec<_>>(), pairs(&expected["labels"]), "{id}");
            let [sample] = series.samples[..] else { panic!("{id}") };
            assert_eq!(format!("{:016x}", sample.value.to_bits()), expected["value_bits"], "{id}");
            assert_eq!(Some(sample.timestamp), expected["timestamp_ms"].as_i64(), "{id}");
        }
    }
}
