//! A real daemon.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Duration;

use coco_core::tier::DaemonAddress;
use coco_harness::directory::Directory;
use coco_harness::rrd;
use coco_harness::rrdcached::Rrdcached as Daemon;
use noodle::budget::Budget;
use noodle::upstream::Room;
use noodle::upstream::rrdcached::{Path, Rows, Rrdcached, Terms, Trouble};
use rrdcached::command::Window;
use rrdcached::error::RefusalKind;
use tokio::runtime::Runtime;

use crate::files::{Fetched, LAST, fetched, made};

fn terms() -> Terms {
    Terms {
        timeout: Duration::from_secs(10),
        most_kept: 4,
        max_rows: 1_000_000,
        tree_age: Duration::from_secs(3600),
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn run<T>(work: impl Future<Output = T>) -> T {
    runtime().block_on(work)
}

fn over_tcp(daemon: &Daemon, terms: Terms) -> Arc<Rrdcached> {
    let endpoint = DaemonAddress::Internet(daemon.address.to_string().parse().expect("an address"));
    Arc::new(Rrdcached::new(endpoint, terms, Room::new(), Arc::default()))
}

async fn rows(node: &Rrdcached, paths: &[Path], window: Window) -> Result<Vec<Option<Rows>>, Trouble> {
    let mut reservation = Budget::new(64 << 20).reserve(0).expect("nothing is there");
    let rows = node.rows(paths, window, LAST, false, &mut reservation).await?;
    Ok(rows.into_iter().map(|rows| rows.expect("it can be read")).collect())
}

fn path(fetched: &Fetched) -> Path {
    let [host, plugin, instance] = &fetched.path;
    Path::new(host, plugin, instance)
}

/// NaN is not equal to itself.
fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}

fn assert_is(found: &Rows, expected: &Fetched) {
    let name = path(expected);
    let ends = found.grid.ends();
    assert_eq!((ends.clone().next(), ends.last()), (Some(expected.first), Some(expected.last)), "{name:?}");
    assert_eq!(i64::from(found.grid.step().get()), expected.step, "{name:?}");
    for (index, source) in found.sources.iter().enumerate() {
        assert_eq!(*source.name, *expected.names[index]);
        // What is infinite says no more than an unknown.
        let value = |row: &Vec<f64>| if row[index].is_finite() { row[index] } else { f64::NAN };
        let column: Vec<f64> = expected.rows.iter().map(value).collect();
        assert_eq!(bits(source.rows.nan_values()), bits(&column), "{name:?}");
    }
    assert_eq!(found.sources.len(), expected.names.len());
}

#[test]
fn rows_are_those_of_librrd_to_the_last_bit() {
    let files = made();
    let daemon = Daemon::start(&files);
    let unix = {
        let endpoint = DaemonAddress::Unix(daemon.socket.clone());
        Arc::new(Rrdcached::new(endpoint, terms(), Room::new(), Arc::default()))
    };
    for node in [over_tcp(&daemon, terms()), unix] {
        run(async {
            for expected in fetched() {
                let found = rows(&node, &[path(&expected)], expected.window).await.unwrap();
                assert_is(found[0].as_ref().expect("it is there"), &expected);
            }
        });
    }
}

#[test]
fn many_files_are_asked_for_at_a_time() {
    let files = made();
    let daemon = Daemon::start(&files);
    let node = over_tcp(&daemon, terms());
    let window = Window::new(LAST - 300, LAST).unwrap();
    // Longer than what may be under way, with files between that are not there.
    let names: Vec<_> = fetched().iter().map(path).collect();
    let mut paths = Vec::new();
    for round in 0..20 {
        paths.extend(names.iter().cloned());
        paths.push(Path::new(b"nobody", b"load", format!("load-{round}").as_bytes()));
    }
    run(async {
        let alone = rows(&node, &paths[..1], window).await.unwrap();
        let all = rows(&node, &paths, window).await.unwrap();
        assert_eq!(all.len(), paths.len());
        for (index, found) in all.iter().enumerate() {
            assert_eq!(found.is_some(), (index + 1) % (names.len() + 1) != 0, "{index}");
        }
        let first = |rows: &[Option<Rows>]| bits(rows[0].as_ref().unwrap().sources[0].rows.nan_values());
        assert_eq!(first(&all), first(&alone));
    });
}

/// The rows of `rrdtool fetch` on the file, with the one that Visage leaves out.
fn truth(directory: &FilePath, file: &str, window: Window) -> Vec<Option<String>> {
    let values = rrd::fetch(&directory.join(file), window.start(), window.end());
    values["shortterm"].clone()
}

#[test]
fn a_window_that_no_file_can_hold_is_answered_in_full_and_asked_for_in_part() {
    let files = made();
    let daemon = Daemon::start(&files);
    let node = over_tcp(&daemon, terms());
    let load = [Path::new(b"alpha.example.org", b"load", b"load")];
    let runtime = runtime();
    for (start, end) in [
        (LAST - 10_000_000, LAST),
        (LAST - 10_000_000, LAST - 200_000),
        (LAST - 3600, LAST + 3_000_000),
        (LAST + 200_000, LAST + 400_000),
        (LAST - 30_000_000, LAST + 30_000_000),
        (1, LAST),
    ] {
        let window = Window::new(start, end).unwrap();
        let expected =
            if start == 1 { None } else { Some(truth(&files, "alpha.example.org/load/load.rrd", window)) };
        let found = runtime.block_on(rows(&node, &load, window));
        let Some(expected) = expected else {
            match found {
                Err(Trouble::TooManyRows { rows, limit: 1_000_000, .. }) => assert!(rows > 3_000_000),
                other => panic!("{other:?}"),
            }
            continue;
        };
        let found = found.unwrap().remove(0).expect("it is there");
        let values = found.sources[0].rows.nan_values();
        assert_eq!(values.len(), expected.len() + 1, "{window:?}");
        for (value, expected) in values.iter().zip(&expected) {
            match expected {
                None => assert!(value.is_nan(), "{window:?}"),
                // rrdtool prints eleven digits.
                Some(text) => {
                    assert_eq!(&format!("{value:.10e}").parse::<f64>(), &text.parse(), "{window:?}");
                }
            }
        }
    }
}

#[test]
fn hosts_and_files_are_lists_of_bytes() {
    let files = made();
    let daemon = Daemon::start(&files);
    let node = over_tcp(&daemon, terms());
    let budget = Budget::new(1 << 20);
    run(async {
        let hosts = node.hosts(&budget).await.unwrap();
        assert_eq!(hosts.items.len(), 17);
        assert!(hosts.items.is_sorted());
        assert!(hosts.items.iter().any(|host| **host == *b"latin1-\xfc\xe9"));
        let mut all = 0;
        for host in &hosts.items {
            let files = node.files(host, &budget).await.unwrap();
            for file in &files.items {
                let path = [Path::new(host, &file.plugin, &file.instance)];
                let found = rows(&node, &path, Window::new(LAST - 100, LAST).unwrap()).await.unwrap();
                assert!(found[0].is_some(), "{path:?}");
                all += 1;
            }
        }
        assert_eq!(all, 21, "all but the one of a host that no daemon lists, `star*`");
        assert!(node.files(b"nobody", &budget).await.unwrap().items.is_empty());
        let lent = budget.lent();
        assert!(lent > 0);
        drop((hosts, node));
        assert_eq!(budget.lent(), 0, "what is remembered is lent, {lent} bytes");
    });
}

#[test]
fn a_daemon_that_was_started_anew_is_asked_once_more() {
    let files = made();
    let mut daemon = Daemon::start(&files);
    let node = over_tcp(&daemon, terms());
    let runtime = runtime();
    let expected = &fetched()[0];
    for _ in 0..3 {
        let found = runtime.block_on(rows(&node, &[path(expected)], expected.window)).unwrap();
        assert_is(found[0].as_ref().unwrap(), expected);
        daemon.restart();
    }
}

#[test]
fn a_daemon_that_refuses_binary_rows_is_asked_for_text() {
    let files = made();
    let daemon = Daemon::start_with(&files, "PING,FETCH,LIST,INFO");
    let node = over_tcp(&daemon, terms());
    run(async {
        for expected in fetched().iter().take(20) {
            let found = rows(&node, &[path(expected)], expected.window).await.unwrap();
            assert_is(found[0].as_ref().unwrap(), expected);
        }
    });
}

#[test]
fn names_that_no_command_can_hold_are_not_sent() {
    let files = made();
    let daemon = Daemon::start(&files);
    let window = Window::new(LAST - 100, LAST).unwrap();
    for name in [b"a\nFLUSHALL".to_vec(), vec![b'a'; 2000]] {
        let node = over_tcp(&daemon, terms());
        match run(rows(&node, &[Path::new(&name, b"load", b"load")], window)) {
            Err(Trouble::Name(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    let node = over_tcp(&daemon, terms());
    let mut reservation = Budget::new(1 << 20).nothing();
    match run(node.rows(&[Path::new(b"..", b"..", b"etc")], window, LAST, false, &mut reservation)).as_deref()
    {
        Ok([Err(RefusalKind::Denied)]) => {}
        other => panic!("{other:?}"),
    }
}

/// What INFO says of the last update is that of the file, and a long window went no further.
#[test]
fn rows_that_the_daemon_has_not_written_yet_are_in_a_long_window_too() {
    let directory = Directory::new("pending");
    rrd::create(&directory.path().join("web1/gauge/gauge.rrd"), LAST, &[1.0; 60]);
    let daemon = Daemon::start(directory.path());
    let mut client = UnixStream::connect(&daemon.socket).expect("a connection");
    let updates: String = (1..=20).map(|second| format!(" {}:2", LAST + second)).collect();
    client.write_all(format!("UPDATE web1/gauge/gauge.rrd{updates}\n").as_bytes()).expect("it is sent");
    let mut told = String::new();
    BufReader::new(&client).read_line(&mut told).expect("a reply");
    assert!(told.starts_with("0 "), "{told}");
    let node = over_tcp(&daemon, terms());
    let window = Window::new(LAST - 200_000, LAST + 50).unwrap();
    let found = run(async {
        let mut reservation = Budget::new(64 << 20).nothing();
        node.rows(&[Path::new(b"web1", b"gauge", b"gauge")], window, LAST + 20, false, &mut reservation).await
    });
    let rows = found.unwrap().remove(0).unwrap().expect("it is there").sources.remove(0).rows;
    let values = rows.nan_values();
    assert_eq!(values.len(), 200_051);
    let known = |value: f64| values.iter().filter(|other| **other == value).count();
    // The file has room for some of those that were there before.
    assert_eq!((known(1.0) > 0, known(2.0)), (true, 20));
}

#[test]
fn rows_are_paid_for_before_they_are_taken() {
    let files = made();
    let daemon = Daemon::start(&files);
    let node = over_tcp(&daemon, terms());
    let budget = Budget::new(5_000);
    let load = [Path::new(b"alpha.example.org", b"load", b"load")];
    run(async {
        let mut reservation = budget.reserve(0).unwrap();
        let short = Window::new(LAST - 300, LAST).unwrap();
        assert!(node.rows(&load, short, LAST, false, &mut reservation).await.is_ok());
        let lent = budget.lent();
        assert!((31 * 3 * 8..2_000).contains(&lent), "{lent}");
        let long = Window::new(LAST - 1200, LAST).unwrap();
        match node.rows(&load, long, LAST, false, &mut reservation).await {
            Err(Trouble::Memory) => {}
            other => panic!("{other:?}"),
        }
    });
}
