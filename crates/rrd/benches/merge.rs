//! Files merged and compared in a second of one core, beside `rrdtool create --source` in the same run, for collectd's
//! default archives of a file of two data sources. Time is that of the processor, so that other work on the machine does
//! not count.
//!
//! `cargo bench -p rrd`

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "who measures reads what it says")]

use std::path::{Path, PathBuf};
use std::process::Command;

use rrd::compare::{Strictness, compare};
use rrd::file::RrdFile;
use rrd::merge::{Precedence, merge};

/// Hundredths of a second of the processor, of this process and its children: proc(5), `stat`.
fn ticks() -> u64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields = text.rsplit_once(") ").unwrap().1.split(' ').skip(11).take(4);
    fields.map(|field| field.parse::<u64>().unwrap()).sum()
}

fn rrdtool(arguments: &[String]) {
    let output = Command::new("rrdtool").args(arguments).output().expect("rrdtool is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A file as collectd makes it, updated every ten seconds.
fn create(file: &Path, start: i64, finish: i64) {
    let file = file.display().to_string();
    let mut arguments =
        vec!["create".to_owned(), file.clone(), format!("--start={start}"), "--step=10".to_owned()];
    arguments.extend(["rx", "tx"].map(|name| format!("DS:{name}:DERIVE:20:0:U")));
    for steps in [1, 7, 50, 223, 2635] {
        arguments
            .extend(["AVERAGE", "MIN", "MAX"].map(|function| format!("RRA:{function}:0.1:{steps}:1200")));
    }
    rrdtool(&arguments);
    let times: Vec<i64> = (start + 10..=finish).step_by(10).collect();
    for times in times.chunks(1_000) {
        let updates = times.iter().map(|time| format!("{time}:{}:{}", time * 3, time * 5 + time % 17));
        let arguments = ["update".to_owned(), file.clone()].into_iter().chain(updates);
        rrdtool(&arguments.collect::<Vec<_>>());
    }
}

/// Does something so often and says how often it can be done in a second of one core.
fn measure(what: &str, times: u64, mut act: impl FnMut()) {
    let before = ticks();
    (0..times).for_each(|_| act());
    let taken = (ticks() - before).max(1) as f64 / 100.0;
    println!(
        "{what}: {:.0} a second and core, {:.3} ms each",
        times as f64 / taken,
        taken * 1e3 / times as f64
    );
}

fn main() {
    let directory = std::env::temp_dir().join(format!("rrd-merge-{}", std::process::id()));
    std::fs::create_dir(&directory).unwrap();
    let [former, new, made]: [PathBuf; 3] = ["former", "new", "made"].map(|name| directory.join(name));
    let finish = 1_700_000_000;
    create(&former, finish - 400_000, finish);
    create(&new, finish - 30_000, finish);
    let bytes = std::fs::metadata(&former).unwrap().len();
    println!("files of {bytes} bytes");
    let read = |path: &Path| RrdFile::read(std::fs::read(path).unwrap()).unwrap();
    measure("read twice, merged, written", 1_000, || {
        let merged = merge(&read(&former), &read(&new), Precedence::Former).unwrap();
        std::fs::write(&made, merged.file.bytes()).unwrap();
    });
    measure("read twice, compared", 1_000, || {
        assert!(compare(&read(&former), &read(&made), Strictness::Same).unwrap().is_settled());
    });
    let sources = [("--source", &former), ("--source", &new), ("--template", &new)];
    let arguments = sources.iter().flat_map(|(name, file)| [(*name).to_owned(), file.display().to_string()]);
    let theirs = directory.join("theirs").display().to_string();
    let arguments: Vec<_> = ["create".to_owned(), theirs].into_iter().chain(arguments).collect();
    measure("rrdtool create --source", 100, || rrdtool(&arguments));
    let dump = ["dump".to_owned(), former.display().to_string()];
    measure("rrdtool dump, of which a comparison needs two", 100, || rrdtool(&dump));
    std::fs::remove_dir_all(&directory).unwrap();
}
