//! Replies of a real daemon: rrdcached 1.7.2 (Debian 12) over 22 files with odd names, steps and gaps. The requests
//! and librrd's own rows for them stand in `windows.jsonl.gz`; see `testdata/README.md`.

use std::io::Read;

use flate2::read::GzDecoder;
use rrdcached::archive;
use rrdcached::command::Window;
use rrdcached::cursor::Cursor;
use rrdcached::error::{Error, RefusalKind};
use rrdcached::fetch::{DataSource, Form, Head, Reading};
use rrdcached::info::Info;
use rrdcached::list::Listing;
use serde_json::Value;

fn unpacked(bytes: &[u8]) -> Vec<u8> {
    let mut unpacked = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut unpacked).expect("a capture is whole");
    unpacked
}

/// A request, and librrd's answer to it.
struct Fetched {
    file: Vec<u8>,
    function: String,
    window: Window,
    first: i64,
    last: i64,
    step: i64,
    sources: Vec<DataSource>,
}

fn fetched() -> Vec<Fetched> {
    let text = unpacked(include_bytes!("../testdata/windows.jsonl.gz"));
    let lines = String::from_utf8(text).expect("JSON is UTF-8");
    let fetched: Vec<_> =
        lines.lines().map(|line| read_line(&serde_json::from_str(line).expect("JSON"))).collect();
    assert_eq!(fetched.len(), 71);
    fetched
}

fn read_line(line: &Value) -> Fetched {
    let number = |key: &str| line[key].as_i64().unwrap_or_else(|| panic!("no {key} in {line}"));
    let text = |key: &str| line[key].as_str().unwrap_or_else(|| panic!("no {key} in {line}")).to_owned();
    let hex = text("file_hex");
    let digits = (0..hex.len()).step_by(2);
    let file = digits.map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect();
    let names = line["names"].as_array().expect("names");
    let rows = line["rows"].as_array().expect("rows");
    // As text, since not every reader of JSON is exact to the last bit.
    let value = |text: &Value| text.as_str().map_or(f64::NAN, |text| text.parse().expect("a number"));
    let values = |index: usize| rows.iter().map(|row| value(&row[index])).collect();
    let source = |(index, name): (usize, &Value)| DataSource {
        name: name.as_str().expect("a name").as_bytes().to_vec(),
        values: values(index),
    };
    Fetched {
        file,
        function: text("cf"),
        window: Window::new(number("start"), number("end")).expect("a window"),
        first: number("first"),
        last: number("last"),
        step: number("step"),
        sources: names.iter().enumerate().map(source).collect(),
    }
}

fn bits(sources: &[DataSource]) -> Vec<(Vec<u8>, Vec<u64>)> {
    let bits = |source: &DataSource| {
        (source.name.clone(), source.values.iter().map(|value| value.to_bits()).collect())
    };
    sources.iter().map(bits).collect()
}

fn assert_rows(head: &Head, sources: &[DataSource], expected: &Fetched) {
    let name = expected.file.escape_ascii();
    assert_eq!(head.start() + head.step(), expected.first, "{name}");
    assert_eq!((head.end(), head.step()), (expected.last, expected.step), "{name}");
    assert_eq!(bits(sources), bits(&expected.sources), "{name}");
}

fn read_all(form: Form, stream: &[u8]) {
    let mut cursor = Cursor::new(stream);
    for expected in fetched() {
        let mut reading = Reading::begin(form, &mut cursor).expect("an answer").expect("all of it");
        assert!(reading.read(&mut cursor).expect("rows"));
        let head = *reading.head();
        assert_rows(&head, &reading.finish(), &expected);
    }
    assert!(cursor.rest().is_empty());
}

#[test]
fn binary_rows_are_those_of_librrd() {
    read_all(Form::Binary, &unpacked(include_bytes!("../testdata/fetchbin.gz")));
}

#[test]
fn rows_of_text_are_those_of_librrd() {
    read_all(Form::Text, &unpacked(include_bytes!("../testdata/fetch.gz")));
}

#[test]
fn replies_are_read_alike_however_they_arrive() {
    for (form, stream) in [
        (Form::Binary, unpacked(include_bytes!("../testdata/fetchbin.gz"))),
        (Form::Text, unpacked(include_bytes!("../testdata/fetch.gz"))),
    ] {
        // Of the first replies, in pieces of seven bytes.
        let mut read = 0;
        let mut arrived = 0;
        for expected in fetched().iter().take(3) {
            let mut reading = None;
            loop {
                let mut cursor = Cursor::new(&stream[read..arrived]);
                if reading.is_none() {
                    reading = Reading::begin(form, &mut cursor).expect("an answer");
                }
                let is_done =
                    reading.as_mut().is_some_and(|reading| reading.read(&mut cursor).expect("rows"));
                read += cursor.position();
                if is_done {
                    break;
                }
                arrived = stream.len().min(arrived + 7);
            }
            let reading = reading.expect("it is done");
            let head = *reading.head();
            assert_rows(&head, &reading.finish(), expected);
        }
    }
}

/// What all files are made of, by the order in which the requests name them first.
fn infos() -> Vec<(Vec<u8>, Info)> {
    let stream = unpacked(include_bytes!("../testdata/info.gz"));
    let mut cursor = Cursor::new(&stream);
    let mut files: Vec<Vec<u8>> = Vec::new();
    for file in fetched().into_iter().map(|fetched| fetched.file) {
        if !files.contains(&file) {
            files.push(file);
        }
    }
    let infos =
        files.into_iter().map(|file| (file, Info::read(&mut cursor).expect("an answer").expect("whole")));
    let infos: Vec<_> = infos.collect();
    assert!(cursor.rest().is_empty());
    infos
}

#[test]
fn the_archive_that_librrd_chooses_is_known_without_asking() {
    let infos = infos();
    for expected in fetched() {
        let (_, info) = infos.iter().find(|(file, _)| *file == expected.file).expect("there is one");
        let step = archive::step(info, &expected.function, expected.window);
        assert_eq!(step, Some(expected.step), "{}", expected.file.escape_ascii());
    }
}

#[test]
fn names_are_bytes() {
    let stream = include_bytes!("../testdata/list.txt");
    let mut cursor = Cursor::new(stream);
    let mut lengths = Vec::new();
    for _ in 0..3 {
        let mut listing = Listing::begin(&mut cursor).expect("an answer").expect("a first line");
        let mut names = Vec::new();
        while let Some(name) = listing.next_name(&mut cursor).expect("a name") {
            names.push(name);
        }
        assert_eq!(listing.left(), 0);
        lengths.push(names.len());
        if lengths.len() == 1 {
            assert!(names.contains(&b"latin1-\xfc\xe9".as_slice()), "{names:?}");
            assert!(names.contains(&b"back\\slash".as_slice()), "{names:?}");
        }
    }
    assert_eq!(lengths, [17, 3, 22]);
    match Listing::begin(&mut cursor) {
        Err(Error::Refused(refusal)) => assert_eq!(refusal.kind, RefusalKind::NotFound),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_refusal_is_a_reply_behind_which_the_next_begins() {
    let stream = b"-1 No such file: a.\n-1 No such file: b.\n2 RRDs\nx\ny\n";
    let mut cursor = Cursor::new(stream);
    assert!(matches!(Reading::begin(Form::Binary, &mut cursor), Err(Error::Refused(_))));
    assert!(matches!(Info::read(&mut cursor), Err(Error::Refused(_))));
    assert_eq!(Listing::begin(&mut cursor).expect("an answer").expect("a first line").left(), 2);
}
