//! The files of `crates/rrdcached/testdata`, and librrd's rows of them.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use coco_harness::directory::Directory;
use flate2::read::GzDecoder;
use rrdcached::command::Window;
use serde_json::Value;

fn unpacked(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rrdcached/testdata").join(name);
    let mut bytes = Vec::new();
    GzDecoder::new(File::open(path).expect("a file")).read_to_end(&mut bytes).expect("a whole file");
    bytes
}

/// The time of the last update of most files.
pub(crate) const LAST: i64 = 1_795_200_000;

/// The directory of the files. They are made once, below `target`: making them takes seconds, and nobody writes to them.
pub(crate) fn made() -> PathBuf {
    static MADE: Mutex<()> = Mutex::new(());
    let _one_at_a_time = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let script = unpacked("create.sh.gz");
    let mut hasher = DefaultHasher::new();
    script.hash(&mut hasher);
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("rrds-{:016x}", hasher.finish()));
    if !place.exists() {
        // Only whole ones get the name.
        let directory = Directory::new("rrds");
        let files = directory.path().join("files");
        std::fs::create_dir(&files).expect("a directory");
        let script_path = directory.path().join("create.sh");
        std::fs::write(&script_path, script).expect("a script");
        let made = Command::new("bash").arg(script_path).current_dir(&files).stdout(Stdio::null()).status();
        assert!(made.expect("bash runs").success());
        let copied = Command::new("cp").arg("-r").arg(&files).arg(place.with_extension("new")).status();
        assert!(copied.expect("cp runs").success());
        std::fs::rename(place.with_extension("new"), &place).expect("the same directory");
    }
    place
}

/// A request, and librrd's rows for it.
pub(crate) struct Fetched {
    pub(crate) path: [Vec<u8>; 3],
    pub(crate) window: Window,
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) step: i64,
    pub(crate) names: Vec<Vec<u8>>,
    pub(crate) rows: Vec<Vec<f64>>,
}

/// Those for averages, which are all that Visage's API gives: the rows of MIN, MAX and LAST are for who reads replies
/// alone, in `crates/rrdcached/tests/captures.rs`.
pub(crate) fn fetched() -> Vec<Fetched> {
    let text = String::from_utf8(unpacked("windows.jsonl.gz")).expect("JSON");
    let lines = text.lines().map(|line| serde_json::from_str(line).expect("JSON"));
    let fetched: Vec<_> =
        lines.filter(|line: &Value| line["cf"] == "AVERAGE").map(|line| read(&line)).collect();
    assert!(fetched.len() > 30, "{}", fetched.len());
    fetched
}

fn read(line: &Value) -> Fetched {
    let number = |key: &str| line[key].as_i64().expect("a number");
    let array = |value: &Value| value.as_array().expect("an array").clone();
    let hex = line["file_hex"].as_str().expect("a text");
    let bytes = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex"));
    let file: Vec<u8> = bytes.collect();
    let mut parts = file.strip_suffix(b".rrd").expect("an RRD file").split(|byte| *byte == b'/');
    let value = |value: &Value| value.as_str().map_or(f64::NAN, |text| text.parse().expect("a number"));
    Fetched {
        path: std::array::from_fn(|_| parts.next().expect("three parts").to_vec()),
        window: Window::new(number("start"), number("end")).expect("a window"),
        first: number("first"),
        last: number("last"),
        step: number("step"),
        names: array(&line["names"]).iter().map(|name| name.as_str().expect("a name").into()).collect(),
        rows: array(&line["rows"]).iter().map(|row| array(row).iter().map(value).collect()).collect(),
    }
}
