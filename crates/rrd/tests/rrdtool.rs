//! Random files that the real rrdtool has made: what is read of them, what is made of two of them, and what becomes of
//! that when it goes on.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "what fails here is a failed test")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use coco_harness::directory::Directory;
use proptest::prelude::*;
use rrd::compare::{Strictness, compare};
use rrd::file::{HEAD, Head, RrdFile};
use rrd::merge::{Precedence, merge};

/// The first second of all files: a multiple of no step.
const START: i64 = 1_700_000_003;

/// What a file is made of, and with what it was updated.
#[derive(Clone, Debug)]
struct Made {
    step: i64,
    kinds: Vec<&'static str>,
    archives: Vec<(&'static str, u32, u32)>,
    /// Seconds since the one before, and a value for each data source; none is unknown.
    updates: Vec<(i64, Vec<Option<i64>>)>,
    /// With which of them the new file begins.
    begin: usize,
    /// Those behind the beginning that one file or the other missed.
    missed: Vec<(usize, bool)>,
}

fn made() -> impl Strategy<Value = Made> {
    let kind = prop::sample::select(vec!["GAUGE", "COUNTER", "DERIVE", "ABSOLUTE"]);
    let function = prop::sample::select(vec!["AVERAGE", "MIN", "MAX", "LAST"]);
    let archive = (function, 1..8_u32, 5..60_u32);
    let head = (
        prop::sample::select(vec![1, 10]),
        prop::collection::vec(kind, 1..4),
        prop::collection::vec(archive, 1..5),
    );
    head.prop_flat_map(|(step, kinds, archives)| {
        let value = prop::option::weighted(0.9, 0..1_000_000_i64);
        // Now and then longer than the heartbeat.
        let pause = prop_oneof![20 => step..=2 * step, 1 => step * 5..step * 20];
        let update = (pause, prop::collection::vec(value, kinds.len()));
        let updates = prop::collection::vec(update, 10..150);
        (
            Just(step),
            Just(kinds),
            Just(archives),
            updates,
            0.0..0.9,
            prop::collection::vec((0.0..1.0, any::<bool>()), 0..8),
        )
    })
    .prop_map(|(step, kinds, archives, updates, begin, missed)| {
        let place = |part: f64| (part * updates.len() as f64) as usize;
        let begin = place(begin);
        let missed = missed.into_iter().map(|(part, which)| (place(part).max(begin), which)).collect();
        Made { step, kinds, archives, begin, missed, updates }
    })
}

/// The files of a former and a new owner, and what both are updated with.
struct Files {
    directory: Directory,
    former: PathBuf,
    new: PathBuf,
    /// Arguments of updates: time and values.
    updates: Vec<String>,
    times: Vec<i64>,
}

impl Made {
    fn files(&self) -> Files {
        let directory = Directory::new("merge");
        let [former, new] = ["former", "new"].map(|name| directory.path().join(name));
        let mut time = START;
        let mut sums = vec![0; self.kinds.len()];
        let (mut updates, mut times) = (Vec::new(), Vec::new());
        for (pause, values) in &self.updates {
            time += pause;
            let mut update = time.to_string();
            for ((kind, sum), value) in self.kinds.iter().zip(&mut sums).zip(values) {
                let Some(value) = value else {
                    update += ":U";
                    continue;
                };
                // Counters only rise.
                *sum += value;
                update += &format!(":{}", if ["GAUGE", "ABSOLUTE"].contains(kind) { value } else { sum });
            }
            updates.push(update);
            times.push(time);
        }
        self.create(&former, START);
        self.create(&new, times[self.begin] - 1);
        let missed = |place: usize, by_new: bool| self.missed.contains(&(place, by_new));
        let some = |from: usize, by_new: bool| -> Vec<_> {
            (from..updates.len())
                .filter(|place| !missed(*place, by_new))
                .map(|place| updates[place].clone())
                .collect()
        };
        update(&former, &some(0, false));
        update(&new, &some(self.begin, true));
        Files { directory, former, new, updates, times }
    }

    fn create(&self, file: &Path, start: i64) {
        let mut arguments = vec![
            "create".to_owned(),
            path(file),
            format!("--start={start}"),
            format!("--step={}", self.step),
        ];
        let source = |(place, kind)| format!("DS:s{place}:{kind}:{}:U:U", 3 * self.step);
        arguments.extend(self.kinds.iter().enumerate().map(source));
        arguments.extend(
            self.archives.iter().map(|(function, steps, rows)| format!("RRA:{function}:0.5:{steps}:{rows}")),
        );
        rrdtool(&arguments).unwrap();
    }
}

fn path(file: &Path) -> String {
    file.to_str().unwrap().to_owned()
}

fn rrdtool(arguments: &[String]) -> Result<String, String> {
    let output = Command::new("rrdtool").args(arguments).output().expect("rrdtool is installed");
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

fn update(file: &Path, updates: &[String]) {
    if !updates.is_empty() {
        let arguments = ["update".to_owned(), path(file)].into_iter().chain(updates.iter().cloned());
        rrdtool(&arguments.collect::<Vec<_>>()).unwrap();
    }
}

fn read(file: &Path) -> RrdFile {
    RrdFile::read(std::fs::read(file).unwrap()).unwrap()
}

/// Values by archive, end of the row and data source.
type Values = BTreeMap<(usize, i64, usize), f64>;

fn known(file: &RrdFile) -> Values {
    let mut values = Values::new();
    for archive in 0..file.layout().archives.len() {
        for end in file.ends(archive) {
            for source in 0..file.layout().sources.len() {
                let value = file.value(archive, source, end).unwrap();
                if !value.is_nan() {
                    values.insert((archive, end, source), value);
                }
            }
        }
    }
    values
}

/// The same as rrdtool tells them, with 17 digits and so to the last bit.
fn dumped(file: &Path) -> Values {
    let text = rrdtool(&["dump".to_owned(), path(file)]).unwrap();
    let (mut values, mut archive) = (Values::new(), 0);
    for line in text.lines() {
        archive += usize::from(line.contains("<rra>"));
        // <!-- 2023-11-14 22:13:20 UTC / 1700000000 --> <row><v>NaN</v><v>1.0000000000e+00</v></row>
        let Some((time, row)) = line.split_once(" --> <row>") else { continue };
        let end: i64 = time.rsplit_once(' ').unwrap().1.parse().unwrap();
        for (source, value) in row.split("<v>").skip(1).enumerate() {
            let value: f64 = value.split('<').next().unwrap().parse().unwrap();
            if !value.is_nan() {
                values.insert((archive - 1, end, source), value);
            }
        }
    }
    values
}

/// Values printed with few digits.
fn is_near(one: f64, other: f64) -> bool {
    (one - other).abs() <= 1e-9 * one.abs().max(other.abs())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn files_have_the_rows_that_rrdtool_dumps(made in made()) {
        let files = made.files();
        for file in [&files.former, &files.new] {
            let (whole, dumped) = (read(file), dumped(file));
            let read = known(&whole);
            let head = Head::read(&whole.bytes()[..whole.bytes().len().min(HEAD)]).unwrap();
            prop_assert_eq!((head.step, head.last), (made.step as u64, whole.last()));
            prop_assert_eq!(read.keys().collect::<Vec<_>>(), dumped.keys().collect::<Vec<_>>());
            for (place, value) in read {
                prop_assert!(is_near(value, dumped[&place]), "{:?}: {} and {}", place, value, dumped[&place]);
            }
        }
    }

    /// As far back as archives reach.
    #[test]
    fn what_either_knows_is_known_of_both(made in made(), former_counts in any::<bool>()) {
        let files = made.files();
        let (former, new) = (read(&files.former), read(&files.new));
        let precedence = if former_counts { Precedence::Former } else { Precedence::New };
        let merged = merge(&former, &new, precedence).unwrap();
        let of_both = known(&merged.file);
        let [former_values, new_values] = [&former, &new].map(known);
        let (first, second) = if former_counts { (&former_values, &new_values) } else { (&new_values, &former_values) };
        for (place, value) in first.iter().chain(second.iter().filter(|(place, _)| !first.contains_key(place))) {
            let is_kept = merged.file.ends(place.0).any(|end| end == place.1);
            prop_assert_eq!(of_both.get(place).copied(), is_kept.then_some(*value), "{:?}", place);
        }
        for place in of_both.keys() {
            prop_assert!(former_values.contains_key(place) || new_values.contains_key(place), "{:?} from nowhere", place);
        }
        prop_assert_eq!(merged.last(), former.last().max(new.last()));
        // Nothing of the former is missing, and once more changes nothing.
        let strictness = if former_counts { Strictness::Same } else { Strictness::Known };
        let comparison = compare(&former, &merged.file, strictness).unwrap();
        prop_assert!(comparison.is_clean() && comparison.unfinished.unwrap_or(0) == 0, "{:?}", comparison);
        let again = merge(&former, &merged.file, precedence).unwrap();
        prop_assert!(!again.is_news || again.file.last() == merged.file.last());
        prop_assert_eq!(known(&again.file), of_both);
    }

    /// Its rows are those of rrdtool, which fills gaps of the former's archive from the former's others before it looks
    /// at the new one's.
    #[test]
    fn what_is_known_of_both_is_what_rrdtool_makes_of_them(mut made in made()) {
        // What rrdtool does where a file misses something depends on more than the rows.
        made.missed.clear();
        let files = made.files();
        let former = read(&files.former);
        let ours = known(&merge(&former, &read(&files.new), Precedence::Former).unwrap().file);
        let former = known(&former);
        let theirs = files.directory.path().join("theirs");
        let sources = [("--source", &files.former), ("--source", &files.new), ("--template", &files.new)];
        let arguments = sources.iter().flat_map(|(name, file)| [(*name).to_owned(), path(file)]);
        rrdtool(&["create".to_owned(), path(&theirs)].into_iter().chain(arguments).collect::<Vec<_>>()).unwrap();
        let theirs = dumped(&theirs);
        let seconds = |archive: usize| made.step * i64::from(made.archives[archive].1);
        let is_filled = |(archive, end, source): (usize, i64, usize)| {
            let begin = end - seconds(archive);
            !former.contains_key(&(archive, end, source))
                && former.keys().any(|(other, other_end, of)| {
                    *of == source && *other_end > begin && other_end - seconds(*other) < end
                })
        };
        for (place, value) in ours {
            let there = theirs.get(&place);
            let is_theirs = there.is_some_and(|there| is_near(*there, value) || is_filled(place));
            prop_assert!(is_theirs, "{:?}: {} and {:?}", place, value, there);
        }
    }

    /// A former owner that missed nothing is what the new one is from then on: rows in progress, too.
    #[test]
    fn what_goes_on_is_as_if_it_had_been_there_from_the_start(mut made in made(), cut in 0.5..1.0) {
        made.missed.retain(|(_, by_new)| *by_new);
        let cut = (cut * made.updates.len() as f64) as usize;
        // Where the former was told nothing, a file that was not asked then knows more: it has its next value instead.
        for place in made.missed.iter().map(|(place, _)| *place).chain([made.begin]) {
            let (pause, values) = &mut made.updates[place];
            *pause = made.step;
            values.iter_mut().for_each(|value| _ = value.get_or_insert(1));
        }
        let mut until = made.clone();
        until.updates.truncate(cut.max(made.begin + 1));
        let count = until.updates.len();
        // Both have the last.
        until.missed.retain(|(place, _)| *place + 1 != count);
        let (whole, files) = (Made { missed: Vec::new(), ..made }.files(), until.files());
        let merged = merge(&read(&files.former), &read(&files.new), Precedence::Former).unwrap();
        prop_assert!(merged.is_exact);
        std::fs::write(&files.new, merged.file.bytes()).unwrap();
        update(&files.new, &whole.updates[count..]);
        let comparison = compare(&read(&whole.former), &read(&files.new), Strictness::Same).unwrap();
        prop_assert!(comparison.is_settled() && comparison.unfinished == Some(0), "{:?}", comparison);
        prop_assert_eq!(read(&files.new).last().seconds, *whole.times.last().unwrap());
    }

    #[test]
    fn a_value_that_is_missing_or_another_is_found(made in made(), which in any::<prop::sample::Index>(), is_missing in any::<bool>()) {
        let files = made.files();
        let former = read(&files.former);
        let values = known(&former);
        prop_assume!(!values.is_empty());
        let (&(archive, end, source), value) = values.iter().nth(which.index(values.len())).unwrap();
        let mut bytes = former.bytes().to_vec();
        let changed = if is_missing { f64::NAN } else { value + 1.0 + value.abs() };
        // Rows of that value, of which one is it: all are changed.
        for place in (0..bytes.len()).step_by(8).skip(40) {
            if bytes[place..place + 8] == value.to_bits().to_le_bytes() {
                bytes[place..place + 8].copy_from_slice(&changed.to_bits().to_le_bytes());
            }
        }
        let new = RrdFile::read(bytes).unwrap();
        let comparison = compare(&former, &new, Strictness::Same).unwrap();
        prop_assert!(!comparison.is_clean());
        prop_assert_eq!(comparison.missing > 0, is_missing);
        let is_told = comparison.told.iter().any(|it| (it.archive, it.end) == (archive, end) && it.source == format!("s{source}"));
        prop_assert!(is_told || comparison.told.len() == 20);
        let mended = merge(&former, &new, Precedence::Former).unwrap();
        prop_assert!(compare(&former, &mended.file, Strictness::Same).unwrap().is_settled());
    }

    /// Whatever is cut or changed: refused, or a file that can be walked over.
    #[test]
    fn bytes_are_a_file_or_refused(made in made(), changes in prop::collection::vec((0..400_usize, any::<u8>()), 0..6), cut in prop::option::of(0..2_000_usize)) {
        let mut bytes = std::fs::read(made.files().former).unwrap();
        for (place, byte) in changes {
            if let Some(at) = bytes.get_mut(place) {
                *at = byte;
            }
        }
        bytes.truncate(cut.unwrap_or(usize::MAX));
        if let Ok(file) = RrdFile::read(bytes) {
            let _ = (known(&file), merge(&file, &file, Precedence::Former), compare(&file, &file, Strictness::Same));
        }
    }
}

/// The file in which what is made of both begins is the former's then.
#[test]
fn what_the_new_one_alone_knows_stays_where_the_former_was_updated_last() {
    let missed = [(5, false), (6, false), (7, false), (8, false), (11, true)].to_vec();
    let updates = vec![(10, vec![Some(5)]); 12];
    let archives = vec![("AVERAGE", 1, 20)];
    let files = Made { step: 10, kinds: vec!["GAUGE"], archives, updates, begin: 2, missed }.files();
    let (former, new) = (read(&files.former), read(&files.new));
    assert!(former.last() > new.last());
    let former_values = known(&former);
    let alone: Values =
        known(&new).into_iter().filter(|(place, _)| !former_values.contains_key(place)).collect();
    assert!(alone.len() > 2, "{alone:?}");
    for precedence in [Precedence::Former, Precedence::New] {
        let of_both = known(&merge(&former, &new, precedence).unwrap().file);
        assert!(
            alone.iter().all(|(place, value)| of_both.get(place) == Some(value)),
            "{alone:?}, {of_both:?}"
        );
        assert_eq!(of_both.len(), former_values.len() + alone.len());
    }
}

#[test]
fn files_of_other_layouts_are_refused_with_what_differs() {
    let directory = Directory::new("layouts");
    let make = |name: &str, arguments: &str| {
        let file = directory.path().join(name);
        let head = ["create".to_owned(), path(&file), "--start=1700000000".to_owned()];
        rrdtool(&head.into_iter().chain(arguments.split(' ').map(str::to_owned)).collect::<Vec<_>>())
            .unwrap();
        read(&file)
    };
    let one = make("one", "--step=10 DS:v:GAUGE:20:0:U RRA:AVERAGE:0.5:1:10");
    for (arguments, told) in [
        ("--step=20 DS:v:GAUGE:20:0:U RRA:AVERAGE:0.5:1:10", "a step of 10 s, the new one of 20 s"),
        (
            "--step=10 DS:w:GAUGE:20:0:U RRA:AVERAGE:0.5:1:10",
            "DS:v:GAUGE:20:0:NaN, the new one DS:w:GAUGE:20:0:NaN",
        ),
        ("--step=10 DS:v:DERIVE:20:0:U RRA:AVERAGE:0.5:1:10", "DS:v:DERIVE:20:0:NaN"),
        ("--step=10 DS:v:GAUGE:30:0:U RRA:AVERAGE:0.5:1:10", "DS:v:GAUGE:30:0:NaN"),
        ("--step=10 DS:v:GAUGE:20:0:9 RRA:AVERAGE:0.5:1:10", "DS:v:GAUGE:20:0:9"),
        ("--step=10 DS:v:GAUGE:20:0:U DS:w:GAUGE:20:0:U RRA:AVERAGE:0.5:1:10", "DS:w:GAUGE:20:0:NaN"),
        ("--step=10 DS:v:GAUGE:20:0:U RRA:MAX:0.5:1:10", "RRA:MAX:0.5:1:10"),
        ("--step=10 DS:v:GAUGE:20:0:U RRA:AVERAGE:0.1:1:10", "RRA:AVERAGE:0.1:1:10"),
        ("--step=10 DS:v:GAUGE:20:0:U RRA:AVERAGE:0.5:2:10", "RRA:AVERAGE:0.5:2:10"),
        ("--step=10 DS:v:GAUGE:20:0:U RRA:AVERAGE:0.5:1:11", "RRA:AVERAGE:0.5:1:11"),
    ] {
        let other = make("other", arguments);
        let refused = merge(&one, &other, Precedence::Former).unwrap_err();
        assert!(refused.to_string().contains(told), "{refused}");
        assert_eq!(compare(&one, &other, Strictness::Same).unwrap_err(), refused);
    }
}

#[test]
fn what_is_no_file_of_rows_alone_is_refused() {
    let directory = Directory::new("refused");
    let file = directory.path().join("forecast");
    let arguments =
        ["create", &path(&file), "--step=10", "DS:v:GAUGE:20:U:U", "RRA:HWPREDICT:100:0.1:0.1:10"];
    rrdtool(&arguments.map(str::to_owned)).unwrap();
    let forecast = std::fs::read(&file).unwrap();
    assert_eq!(
        RrdFile::read(forecast.clone()).unwrap_err().to_string(),
        "it has an archive of HWPREDICT: expected AVERAGE, MIN, MAX or LAST"
    );
    assert_eq!(RrdFile::read(b"<html>".to_vec()).unwrap_err().to_string(), "it is no RRD file");
    let refused = |at: usize, byte: u8| {
        let mut bytes = forecast.clone();
        bytes[at] = byte;
        RrdFile::read(bytes).unwrap_err().to_string()
    };
    assert_eq!(refused(7, b'9'), "its format is \"0009\": expected 0003 or 0004");
    assert!(refused(16, 0).contains("another kind of machine"));
}
