//! Answers in every format, to the byte.

use graphite::{Consolidation, Error, FindFormat, Format, Found, Options, TimeSeries, TimeZone};

fn series() -> Vec<TimeSeries> {
    let load = TimeSeries::new("a,b.load", 1_795_289_990, 10, vec![108.009191, f64::NAN, 3.0]);
    let mut quoted = TimeSeries::new("say \"x\"\u{e4}", 0, 60, vec![f64::INFINITY, 1e16]);
    quoted.path_expression = "say.*".to_owned();
    vec![load, quoted]
}

fn written(name: &str, callback: Option<&str>, options: &Options) -> Vec<u8> {
    let format = Format::named(Some(name), callback).expect("it is a format");
    format.answer(&series(), options).expect("nothing is wrong with it").to_bytes()
}

fn text(name: &str, options: &Options) -> String {
    String::from_utf8(written(name, None, options)).expect("it is text")
}

#[test]
fn texts_are_those_of_graphite_web() {
    let options = Options::default();
    let raw = "a,b.load,1795289990,1795290020,10|108.009191,None,3.0\nsay \"x\"\u{e4},0,120,60|inf,1e+16\n";
    assert_eq!(text("raw", &options), raw);
    let csv = "\"a,b.load\",2026-11-21 19:39:50,108.009191\r\n\
               \"a,b.load\",2026-11-21 19:40:00,\r\n\
               \"a,b.load\",2026-11-21 19:40:10,3.0\r\n\
               \"say \"\"x\"\"\u{e4}\",1970-01-01 00:00:00,inf\r\n\
               \"say \"\"x\"\"\u{e4}\",1970-01-01 00:01:00,1e+16\r\n";
    assert_eq!(text("csv", &options), csv);
    let summer =
        Options { zone: TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap(), ..Options::default() };
    assert!(text("csv", &summer).starts_with("\"a,b.load\",2026-11-21 20:39:50,"));
}

#[test]
fn json_is_strict_and_may_leave_out_what_is_unknown() {
    let json = r#"[{"target":"a,b.load","tags":{"name":"a,b.load"},"datapoints":[[108.009191,1795289990],[null,1795290000],[3.0,1795290010]]},{"target":"say \"x\"ä","tags":{"name":"say \"x\"ä"},"datapoints":[[null,0],[1e+16,60]]}]"#;
    assert_eq!(text("json", &Options::default()), json);
    assert_eq!(written("json", Some("a.b"), &Options::default()), format!("a.b({json})").into_bytes());
    let known = Options { no_null_points: true, ..Options::default() };
    assert!(text("json", &known).contains("[[108.009191,1795289990],[3.0,1795290010]]"));
    let unknown = [TimeSeries::new("x", 0, 10, vec![f64::NAN])];
    assert_eq!(Format::Json.answer(&unknown, &known).unwrap().to_bytes(), b"[]");
}

/// The group of rows 2 to 4, 5 to 7 and so on, as the label of each is a multiple of its length.
#[test]
fn points_are_made_fewer_by_the_consolidation_of_each_series() {
    let values: Vec<_> = (1..=12).map(f64::from).collect();
    let mut series = TimeSeries::new("a", 1_795_289_410, 10, values);
    series.consolidation = Consolidation::Max;
    let options = Options { max_data_points: Some(4), ..Options::default() };
    let all = [series.clone()];
    let json = Format::Json.answer(&all, &options).unwrap().to_bytes();
    let expected = "[[4.0,1795289430],[7.0,1795289460],[10.0,1795289490],[12.0,1795289520]]";
    assert!(String::from_utf8(json).unwrap().contains(expected), "{expected}");
    series.consolidation = Consolidation::named("nosuch");
    let refused = [series];
    assert!(matches!(Format::Json.answer(&refused, &options), Err(Error::Unsupported { .. })));
}

/// What `pickle.loads` of Python and `umsgpack.loads` of graphite-web read as the series.
#[test]
fn what_graphite_web_reads_is_written_in_its_notation() {
    let one = TimeSeries::new("a", 1_795_289_990, 10, vec![0.5, f64::NAN]);
    let write = |format: Format, series: &[TimeSeries]| {
        format.answer(series, &Options::default()).unwrap().to_bytes()
    };
    let pickle = write(Format::Pickle, std::slice::from_ref(&one));
    assert!(pickle.starts_with(b"\x80\x02](}(X\x04\x00\x00\x00nameX\x01\x00\x00\x00a"));
    assert!(pickle.ends_with(b"X\x06\x00\x00\x00values](G\x3f\xe0\0\0\0\0\0\0Neue."));
    let start = [&b"X\x05\x00\x00\x00startJ"[..], &1_795_289_990_i32.to_le_bytes()].concat();
    assert!(pickle.windows(start.len()).any(|part| part == start));
    assert_eq!(write(Format::Pickle, &[]), b"\x80\x02](e.");
    let later = write(Format::Pickle, &[TimeSeries::new("a", 1 << 33, 10, Vec::new())]);
    let start = [&b"start\x8a\x08"[..], &(1_i64 << 33).to_le_bytes()].concat();
    assert!(later.windows(start.len()).any(|part| part == start));

    let msgpack = write(Format::Msgpack, &[one]);
    assert!(msgpack.starts_with(b"\x91\x89\xa4name\xa1a\xaepathExpression\xa1a"));
    assert!(msgpack.ends_with(b"\xa6values\x92\xcb\x3f\xe0\0\0\0\0\0\0\xc0"));
    assert_eq!(write(Format::Msgpack, &[]), b"\x90");
    let many = write(Format::Msgpack, &[TimeSeries::new("x".repeat(300), 0, 1, vec![1.0; 70_000])]);
    assert!(many.windows(5).any(|part| part == b"\xda\x01\x2cxx"));
    assert!(many.windows(5).any(|part| part == [0xdd, 0, 1, 0x11, 0x70]));
}

#[test]
fn what_is_not_written_is_refused_with_a_word_on_who_does() {
    for name in ["png", "svg", "pdf", "nosuch"] {
        let error = Format::named(Some(name), None).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("graphite-web"), "{error}");
    }
    for callback in ["", "alert(1);f", "a b", "<script>"] {
        assert_eq!(Format::named(None, Some(callback)), Err(Error::Callback), "{callback}");
    }
    assert_eq!(Format::named(None, None), Ok(Format::Json));
    assert_eq!(Format::named(Some("msgpack"), None).unwrap().content_type(), "application/x-msgpack");
}

#[test]
fn who_does_not_take_more_ends_the_writing() {
    let series = [TimeSeries::new("a", 0, 1, vec![1.0; 1_000])];
    for name in ["json", "raw", "csv", "pickle", "msgpack"] {
        let answer = Format::named(Some(name), None).unwrap();
        let answer = answer.answer(&series, &Options::default()).unwrap();
        let mut little = [0; 100];
        assert!(answer.write(&mut &mut little[..]).is_err(), "{name}");
        assert_eq!(answer.to_bytes()[..50], little[..50], "{name}");
    }
}

/// What graphite-web answers to the same queries over the same names.
#[test]
fn found_nodes_are_written_as_by_graphite_web() {
    let found = |nodes: &[(&str, bool)]| -> Vec<Found> {
        nodes.iter().map(|(path, is_leaf)| Found { path: (*path).to_owned(), is_leaf: *is_leaf }).collect()
    };
    let hosts = || found(&[("gamma.load", false), ("alpha.load", false), ("alpha.load", false)]);
    let mixed = || found(&[("a.load.shortterm", true), ("a.load.cpu", false), ("a.load.midterm", true)]);
    for (format, query, nodes, wildcards, expected) in [
        (
            "treejson",
            "*.load",
            hosts(),
            true,
            r#"[{"text":"*","id":"*.*","allowChildren":1,"expandable":1,"leaf":0},{"text":"load","id":"*.load","allowChildren":1,"expandable":1,"leaf":0}]"#,
        ),
        (
            "treejson",
            "a.load.*",
            mixed(),
            false,
            r#"[{"text":"cpu","id":"a.load.cpu","allowChildren":1,"expandable":1,"leaf":0},{"text":"midterm","id":"a.load.midterm","allowChildren":0,"expandable":0,"leaf":1},{"text":"shortterm","id":"a.load.shortterm","allowChildren":0,"expandable":0,"leaf":1}]"#,
        ),
        ("treejson", "x", found(&[]), true, "[]"),
        (
            "json",
            "*.load",
            hosts(),
            false,
            r#"[{"path":"alpha.load","is_leaf":false},{"path":"gamma.load","is_leaf":false}]"#,
        ),
        ("nodelist", "*.load", hosts(), false, r#"{"nodes":["load"]}"#),
        (
            "completer",
            "al",
            found(&[("alpha", false)]),
            true,
            r#"{"metrics":[{"path":"alpha.","name":"alpha","is_leaf":"0"}]}"#,
        ),
    ] {
        let mut written = Vec::new();
        FindFormat::named(Some(format)).unwrap().write(query, nodes, wildcards, &mut written).unwrap();
        assert_eq!(String::from_utf8(written).unwrap(), expected);
    }
    let mut pickle = Vec::new();
    FindFormat::Pickle.write("*", found(&[("a", false), ("b", true)]), false, &mut pickle).unwrap();
    let one = |path: &[u8], is_leaf: &[u8]| {
        let parts = [b"}(X\x04\0\0\0pathX\x01\0\0\0", path, b"X\x07\0\0\0is_leaf", is_leaf, b"u"];
        parts.concat()
    };
    assert_eq!(pickle, [b"\x80\x02](", &one(b"a", b"\x89")[..], &one(b"b", b"\x88"), b"e."].concat());
    let mut msgpack = Vec::new();
    FindFormat::Msgpack.write("*", found(&[("a", true)]), false, &mut msgpack).unwrap();
    assert_eq!(msgpack, b"\x91\x82\xa4path\xa1a\xa7is_leaf\xc3");
    assert_eq!(FindFormat::Completer.pattern("al..lo"), "al*.lo*");
    assert_eq!(FindFormat::named(Some("png")).unwrap_err().to_string(), "unsupported format: png");
}
