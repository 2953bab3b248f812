//! Recorded requests of Grafana and graphite-web, sent again: status, shape, names and times are those of then, and so is
//! the last word of each name, by which Grafana knows its query.

use serde_json::{Value, json};

use super::{HOSTS, post, start, tiers, value, visage};
use crate::noodle::{Answer, Noodle};

/// An exchange.
struct Exchange {
    method: String,
    path: String,
    fields: String,
    body: String,
    response: Value,
}

fn exchanges(text: &str) -> impl Iterator<Item = Exchange> {
    text.lines().map(|line| {
        let exchange: Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| exchange["request"][key].as_str().unwrap_or_default().to_owned();
        let fields = exchange["request"]["headers"].as_object().unwrap().iter();
        let fields =
            fields.filter(|(name, _)| !["Host", "Content-Length", "Connection"].contains(&name.as_str()));
        Exchange {
            method: text("method"),
            path: text("path"),
            fields: fields.map(|(name, value)| format!("{name}: {}\r\n", value.as_str().unwrap())).collect(),
            body: text("body"),
            response: exchange["response"].clone(),
        }
    })
}

fn ask(noodle: &Noodle, exchange: &Exchange) -> Answer {
    match &*exchange.method {
        "POST" => post(noodle, &exchange.path, &exchange.fields, &exchange.body),
        method => noodle.connect().ask(method, &exchange.path, &exchange.fields),
    }
}

/// Series without the values: those are of other nodes. A body that was cut when it was recorded, as long ones were, is
/// mended behind its last whole row.
fn shapes(text: &str) -> Vec<(Value, Vec<Value>)> {
    let mended = || {
        let end = text.rfind("], [").unwrap();
        format!("{}]]}}]", &text[..end])
    };
    let all: Value = serde_json::from_str(text).unwrap_or_else(|_| serde_json::from_str(&mended()).unwrap());
    let shape = |series: &Value| {
        let times = series["datapoints"].as_array().unwrap().iter().map(|point| point[1].clone()).collect();
        let last_word = series["target"].as_str().unwrap().rsplit(' ').next();
        (json!([series["target"], series["tags"], last_word]), times)
    };
    all.as_array().unwrap().iter().map(shape).collect()
}

fn assert_same_shape(answer: &str, then: &str, shown: &str) {
    let (shapes, recorded) = (shapes(answer), shapes(then));
    let is_whole = serde_json::from_str::<Value>(then).is_ok();
    assert!(shapes.len() == recorded.len() || !is_whole && shapes.len() > recorded.len(), "{shown}");
    for (number, ((name, times), (name_then, times_then))) in shapes.iter().zip(&recorded).enumerate() {
        assert_eq!(name, name_then, "{shown}");
        let is_cut = !is_whole && number + 1 == recorded.len();
        let compared = if is_cut { times_then.len() } else { times.len() };
        assert_eq!(&times[..compared], times_then, "{shown}");
    }
}

#[test]
fn grafana_is_answered_as_graphite_web_answers_it() {
    let node = visage(&HOSTS, value);
    let noodle = start(&tiers(&[("t", &[node.address])]), "");
    let mut count = 0;
    for exchange in
        exchanges(include_str!("../../../testdata/graphite/grafana-frontend-over-graphite-web.jsonl"))
    {
        let answer = ask(&noodle, &exchange);
        let (shown, then) =
            (format!("{} {}", exchange.path, exchange.body), exchange.response["body"].as_str().unwrap());
        count += 1;
        if exchange.path == "/functions" {
            // graphite-web itself failed there.
            assert!(answer.json()["aliasSub"].is_object());
            continue;
        }
        assert_eq!(
            u64::from(answer.status),
            exchange.response["status"].as_u64().unwrap(),
            "{shown}: {}",
            answer.text()
        );
        if answer.status == 400 {
            assert_eq!(answer.text(), "unknown function: noSuchFunction\n");
        } else if exchange.path == "/version" {
            assert_eq!(answer.text(), then);
        } else if exchange.path == "/render" && exchange.body.contains("constantLine") {
            // Without a window it is the last day of whoever is asked.
            let all = answer.json();
            assert_eq!(all[0]["target"], "100.0 A", "{shown}");
            assert_eq!(all[0]["datapoints"].as_array().unwrap().len(), 3);
        } else if exchange.path == "/render" {
            assert_same_shape(&answer.text(), then, &shown);
        } else {
            assert_eq!(answer.json(), serde_json::from_str::<Value>(then).unwrap(), "{shown}");
        }
    }
    assert_eq!(count, 24);
}

#[test]
fn graphite_web_is_answered_in_its_own_notation() {
    let node = visage(&HOSTS, value);
    let noodle = start(&tiers(&[("t", &[node.address])]), "");
    let mut count = 0;
    for text in [
        include_str!("../../../testdata/graphite/graphite-web-118-pickle.jsonl"),
        include_str!("../../../testdata/graphite/graphite-web-1110-pickle.jsonl"),
        include_str!("../../../testdata/graphite/graphite-web-1110-post-multipart-pickle.jsonl"),
    ] {
        for exchange in exchanges(text) {
            let answer = ask(&noodle, &exchange);
            let shown = format!("{} {}", exchange.path, exchange.body);
            assert_eq!(answer.status, 200, "{shown}: {}", answer.text());
            count += 1;
            if let Some(then) = exchange.response["body"].as_str() {
                assert_eq!(answer.json(), serde_json::from_str::<Value>(then).unwrap(), "{shown}");
                continue;
            }
            assert_eq!(answer.fields["content-type"], "application/pickle");
            let then = unpickled(&decoded(exchange.response["body_base64"].as_str().unwrap()));
            if exchange.path.contains("%7Balpha%2Cbeta%7D_example_org.cpu-%5B01%5D") {
                // The server that was recorded took braces and brackets in one pattern for no match.
                assert_eq!(without_values(unpickled(&answer.body)).as_array().unwrap().len(), 4);
                continue;
            }
            let (mut now, then) = (without_values(unpickled(&answer.body)), without_values(then));
            // Newer ones of its kind read more than it then wrote.
            for series in now.as_array_mut().unwrap().iter_mut().filter_map(Value::as_object_mut) {
                series.retain(|key, _| {
                    ["name", "pathExpression", "start", "end", "step", "values", "path", "is_leaf"]
                        .contains(&key.as_str())
                });
            }
            assert_eq!(now, then, "{shown}");
        }
    }
    assert_eq!(count, 26);
}

#[test]
fn graphite_web_is_answered_in_messagepack() {
    let node = visage(&HOSTS, value);
    let noodle = start(&tiers(&[("t", &[node.address])]), "");
    let mut count = 0;
    for exchange in exchanges(include_str!("../../../testdata/graphite/graphite-web-1110-msgpack.jsonl")) {
        let answer = ask(&noodle, &exchange);
        assert_eq!((answer.status, &*answer.fields["content-type"]), (200, "application/x-msgpack"));
        let then = decoded(exchange.response["body_base64"].as_str().unwrap());
        if exchange.path.contains("/metrics/find") {
            assert_eq!(answer.body, then, "{}", exchange.path);
        } else {
            let (now, then) = (without_values(unpacked(&answer.body)), without_values(unpacked(&then)));
            let told = |all: Value| -> Vec<Value> {
                let keys = ["name", "pathExpression", "start", "end", "step", "values"];
                let one = |series: &Value| keys.iter().map(|key| series[*key].clone()).collect();
                all.as_array().unwrap().iter().map(one).collect()
            };
            assert_eq!(told(now), told(then), "{}", exchange.path);
        }
        count += 1;
    }
    assert!(count > 0);
}

/// What MessagePack holds, as far as graphite-web and Noodle write it.
fn unpacked(bytes: &[u8]) -> Value {
    let mut place = 0;
    let value = unpacked_from(bytes, &mut place);
    assert_eq!(place, bytes.len(), "nothing is behind it");
    value
}

fn unpacked_from(bytes: &[u8], place: &mut usize) -> Value {
    let take = |place: &mut usize, length: usize| {
        *place += length;
        &bytes[*place - length..*place]
    };
    let number = |place: &mut usize, length: usize| {
        take(place, length).iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte))
    };
    let text = |place: &mut usize, length: u64| {
        Value::from(String::from_utf8(take(place, length.try_into().unwrap()).to_vec()).unwrap())
    };
    let list = |place: &mut usize, length: u64| (0..length).map(|_| unpacked_from(bytes, place)).collect();
    let map = |place: &mut usize, length: u64| {
        let pair = |_| {
            let key = unpacked_from(bytes, place);
            (key.as_str().unwrap().to_owned(), unpacked_from(bytes, place))
        };
        Value::Object((0..length).map(pair).collect())
    };
    match number(place, 1) {
        code @ 0..=0x7f => code.into(),
        code @ 0x80..=0x8f => map(place, code - 0x80),
        code @ 0x90..=0x9f => list(place, code - 0x90),
        code @ 0xa0..=0xbf => text(place, code - 0xa0),
        0xc0 => Value::Null,
        0xc2 => false.into(),
        0xc3 => true.into(),
        0xcb => f64::from_bits(number(place, 8)).into(),
        code @ 0xcc..=0xcf => number(place, 1 << (code - 0xcc)).into(),
        0xd3 => number(place, 8).cast_signed().into(),
        code @ 0xd9..=0xdb => {
            let length = number(place, 1 << (code - 0xd9));
            text(place, length)
        }
        code @ 0xdc..=0xdd => {
            let length = number(place, 2 << (code - 0xdc));
            list(place, length)
        }
        code @ 0xde..=0xdf => {
            let length = number(place, 2 << (code - 0xde));
            map(place, length)
        }
        other => panic!("code {other:#x} at {place}"),
    }
}

/// One thing each: formats, parameters, and what is wrong with them.
#[test]
fn what_was_asked_of_graphite_web_itself_has_the_same_answer() {
    let node = visage(&HOSTS, value);
    let noodle = start(&tiers(&[("t", &[node.address])]), "");
    let text = String::from_utf8_lossy(include_bytes!(
        "../../../testdata/graphite/graphite-web-1110-http-probes.txt"
    ));
    let mut count = 0;
    for probe in text.split("\n\n").filter(|probe| !probe.trim().is_empty()) {
        let (path, told) = probe.trim_start_matches('\n').split_once("\n   -> ").unwrap();
        let (status, told) = told.split_once(' ').unwrap();
        let answer = noodle.get(&format!("/{path}"));
        count += 1;
        let expected: u16 = match path {
            // It draws a picture, and Noodle none.
            path if path.ends_with("format=nosuch") => 400,
            // It was broken there.
            "functions" => 200,
            _ => status.parse().unwrap(),
        };
        assert_eq!(answer.status, expected, "{path}: {:.200}", answer.text());
        // Prometheus' path, and texts that were cut.
        let is_compared = expected == 200 && !path.starts_with("metrics?") && path != "functions";
        let (_, body) = told.split_once(' ').unwrap();
        let body = body.strip_prefix("charset=utf-8 ").unwrap_or(body);
        if !is_compared {
            continue;
        }
        if path.contains("from=-") {
            // The window of then is not that of now.
            assert_eq!(shapes(&answer.text())[0].0, shapes(body)[0].0, "{path}");
        } else if path.contains("format=raw") {
            let head = |text: &str| text.split('|').next().map(str::to_owned);
            assert_eq!(head(&answer.text()), head(body), "{path}");
        } else if path.starts_with("render") && body.starts_with("[{") {
            assert_same_shape(&answer.text(), body, path);
        } else if let Ok(then) = serde_json::from_str::<Value>(body) {
            assert_eq!(answer.json(), then, "{path}");
        } else if body.starts_with(['[', '{']) {
            // Cut where it was recorded.
            let now = serde_json::to_string(&answer.json()).unwrap().replace(' ', "");
            let then = body.trim_end().replace(' ', "");
            assert!(
                now.starts_with(then.trim_end_matches(char::is_alphanumeric)),
                "{path}: {now}, not {then}"
            );
        }
    }
    assert_eq!(count, 28);
}

/// Values as their number: they are of other nodes.
fn without_values(all: Value) -> Value {
    let Value::Array(all) = all else { panic!("{all}") };
    let one = |mut one: Value| {
        if let Some(values) = one.get("values") {
            one["values"] = values.as_array().unwrap().len().into();
        }
        one
    };
    all.into_iter().map(one).collect()
}

fn decoded(base64: &str) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let mut bytes = Vec::new();
    for group in base64.trim_end_matches('=').as_bytes().chunks(4) {
        let bits = group.iter().fold(0_u32, |bits, byte| bits << 6 | u32::from(digit(*byte)));
        let bits = bits << (6 * (4 - group.len()));
        bytes.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    bytes
}

/// What Python's pickle, protocol 2, holds, as far as graphite-web writes and reads it.
fn unpickled(bytes: &[u8]) -> Value {
    let (mut stack, mut marks, mut place) = (Vec::new(), Vec::new(), 2);
    let take = |place: &mut usize, length: usize| {
        *place += length;
        bytes[*place - length..*place].to_vec()
    };
    loop {
        let code = take(&mut place, 1)[0];
        match code {
            b'.' => return stack.pop().unwrap(),
            b']' => stack.push(json!([])),
            b'}' => stack.push(json!({})),
            b'(' => marks.push(stack.len()),
            b'N' => stack.push(Value::Null),
            0x88 => stack.push(true.into()),
            0x89 => stack.push(false.into()),
            b'K' => stack.push(take(&mut place, 1)[0].into()),
            b'M' => stack.push(u16::from_le_bytes(take(&mut place, 2).try_into().unwrap()).into()),
            b'J' => stack.push(i32::from_le_bytes(take(&mut place, 4).try_into().unwrap()).into()),
            0x8a => {
                let length = usize::from(take(&mut place, 1)[0]);
                let mut number = take(&mut place, length);
                number.resize(8, 0);
                stack.push(i64::from_le_bytes(number.try_into().unwrap()).into());
            }
            b'G' => stack.push(f64::from_be_bytes(take(&mut place, 8).try_into().unwrap()).into()),
            b'X' => {
                let length = u32::from_le_bytes(take(&mut place, 4).try_into().unwrap());
                stack.push(String::from_utf8(take(&mut place, length as usize)).unwrap().into());
            }
            b'a' | b'e' => {
                let from = if code == b'a' { stack.len() - 1 } else { marks.pop().unwrap() };
                let items = stack.split_off(from);
                stack.last_mut().unwrap().as_array_mut().unwrap().extend(items);
            }
            b's' | b'u' => {
                let from = if code == b's' { stack.len() - 2 } else { marks.pop().unwrap() };
                let items = stack.split_off(from);
                let map = stack.last_mut().unwrap().as_object_mut().unwrap();
                for pair in items.chunks(2) {
                    map.insert(pair[0].as_str().unwrap().to_owned(), pair[1].clone());
                }
            }
            other => panic!("opcode {other:#x} at {place}"),
        }
    }
}
