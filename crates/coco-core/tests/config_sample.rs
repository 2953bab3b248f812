//! `coco.sample.conf` and the table of keys say the same, and the sample works as it stands.

use coco_core::config::{Config, KEYS, Key, Program};
use coco_core::tier::Tier;

const SAMPLE: &str = include_str!("../../../coco.sample.conf");
const ORIGINAL: &str = include_str!("../testdata/config/original.conf");

/// A line of the sample as it reads without its `#`: those of prose have a space behind it.
fn uncommented(line: &str) -> &str {
    match line.strip_prefix('#') {
        Some(setting) if !setting.is_empty() && !setting.starts_with(' ') => setting,
        Some(element) if element.starts_with("  {") => element,
        _ => line,
    }
}

fn everything_set() -> String {
    SAMPLE.lines().map(|line| format!("{}\n", uncommented(line))).collect()
}

/// A key of the sample, set or commented out.
struct Stated {
    section: String,
    name: String,
    value: String,
    is_commented_out: bool,
    /// The comment above it.
    comment: Vec<&'static str>,
}

/// The keys in order; those inside of an array follow its key.
fn stated() -> Vec<Stated> {
    let mut stated = Vec::new();
    let (mut section, mut comment) = (String::new(), Vec::new());
    for line in SAMPLE.lines() {
        let setting = uncommented(line);
        if setting.starts_with('#') {
            comment.push(setting);
            continue;
        }
        if let Some(header) = setting.strip_prefix('[') {
            section = any_tier(header.trim_end_matches(']'));
        } else if let Some(table) = setting.trim().strip_prefix('{') {
            for pair in table.trim_end_matches(['}', ',', ' ']).split(", ") {
                let (name, value) = pair.split_once('=').expect("a key and its value");
                stated.push(Stated {
                    section: format!("{section}.targets"),
                    name: name.trim().to_owned(),
                    value: value.trim().to_owned(),
                    is_commented_out: true,
                    comment: Vec::new(),
                });
            }
        } else if let Some((name, value)) = setting.split_once('=') {
            stated.push(Stated {
                section: section.clone(),
                name: name.trim().to_owned(),
                value: value.trim().to_owned(),
                is_commented_out: setting != line,
                comment: std::mem::take(&mut comment),
            });
        }
        comment.clear();
    }
    stated
}

/// A section as the table of keys calls it: whatever the tier's name.
fn any_tier(section: &str) -> String {
    match section.split('.').collect::<Vec<_>>()[..] {
        ["tiers", _] => "tiers.NAME".to_owned(),
        ["tiers", _, ref inner @ ..] => format!("tiers.NAME.{}", inner.join(".")),
        _ => section.to_owned(),
    }
}

fn is(key: &Key) -> impl Fn(&&Stated) -> bool {
    move |stated| (stated.section.as_str(), stated.name.as_str()) == (key.section, key.name)
}

#[test]
fn the_sample_works_for_both() {
    for program in [Program::Coco, Program::Noodle] {
        let config = Config::parse(SAMPLE, program).unwrap();
        assert!(config.listen.bind.is_all());
        assert!(config.listen.typesdb.is_empty());
        assert!(config.filter.blacklist.unwrap().is_match(b"web1/irq/irq/7"));
        let tiers: Vec<_> = config.tiers.iter().map(Tier::name).collect();
        assert_eq!(tiers, ["shortterm", "midterm"]);
        assert_eq!(config.api.bind.to_string(), "127.0.0.1:9090");
        assert_eq!(config.fetch_bind.unwrap().to_string(), "127.0.0.1:9080");
    }
}

#[test]
fn everything_uncommented_works_too() {
    let config = Config::parse(&everything_set(), Program::Coco).unwrap();
    let tier = |name: &str| config.tiers.iter().find(|tier| tier.name() == name).unwrap();
    assert_eq!(tier("longterm").targets()[1].fetch.as_ref().unwrap().to_string(), "http://127.0.0.1:8082");
    assert_eq!(tier("longterm").placement().facts().virtual_replicas, Some(90));
    let moving = tier("moving").moving().unwrap();
    let names =
        |tier: &Tier| tier.targets().iter().map(|target| target.label().to_owned()).collect::<Vec<_>>();
    assert_eq!(
        (names(moving.former()), names(moving.new_tier())),
        (vec!["m1".to_owned(), "m3".to_owned(), "m0".to_owned()], vec!["m1".to_owned(), "m2".to_owned()])
    );
    let facts = ["archive", "relay"].map(|name| tier(name).placement().facts());
    assert_eq!(facts.map(|facts| (facts.hash, facts.replicas)), [("rendezvous", 2), ("jump", 1)]);
    assert_eq!(config.file.warnings, []);
}

#[test]
fn the_files_of_the_original_still_work() {
    let old = Config::parse(ORIGINAL, Program::Noodle).unwrap();
    assert_eq!(old.listen.typesdb, [std::path::Path::new("types.db")]);
    let new = Config::parse(SAMPLE, Program::Noodle).unwrap();
    assert_eq!(old.tiers.fingerprint(), new.tiers.fingerprint());
    assert_eq!(old.fetch.proxy_timeout, new.fetch.proxy_timeout);
    assert_eq!(old.measure.interval, new.measure.interval);
    assert!(Config::parse(ORIGINAL, Program::Coco).is_ok());
}

#[test]
fn every_key_stands_in_the_sample_with_its_default() {
    let sample = stated();
    for key in KEYS {
        let path = format!("{}.{}", key.section, key.name);
        // What was said of a target is what is said of one now.
        let section = key.section.replace(".migration.from.targets", ".targets");
        let stated = sample.iter().find(|stated| (&stated.section, &*stated.name) == (&section, key.name));
        let stated = stated.unwrap_or_else(|| panic!("{path} is missing"));
        if stated.section.ends_with(".targets") {
            // Explained together, above their array.
            assert!(SAMPLE.contains(&format!("\n#   {} ", key.name)), "{path} is not explained");
            continue;
        }
        let default = match key.default {
            Some(default) => format!("# Default: {default}"),
            None => "# No default.".to_owned(),
        };
        assert_eq!(stated.comment.last(), Some(&default.as_str()), "{path}");
        assert!(stated.comment.len() > 1, "{path} is not explained");
        assert_eq!(stated.comment.contains(&"# A change needs a restart."), key.needs_restart, "{path}");
        if stated.is_commented_out && key.default.is_some() {
            assert_eq!(key.default, Some(stated.value.as_str()), "{path}");
        }
    }
}

#[test]
fn the_sample_has_no_key_that_the_table_lacks() {
    for stated in stated() {
        assert!(KEYS.iter().any(|key| is(key)(&&stated)), "{}.{} is no key", stated.section, stated.name);
    }
}

#[test]
fn the_keys_of_a_section_stand_together() {
    let mut sections: Vec<_> = KEYS.iter().map(|key| key.section).collect();
    sections.dedup();
    let runs = sections.len();
    sections.sort_unstable();
    sections.dedup();
    assert_eq!(runs, sections.len());
}

#[test]
fn every_key_says_what_it_is() {
    for key in KEYS {
        assert!(!key.meaning.is_empty() && !key.kind.to_string().is_empty() && !key.read_by.is_empty());
        assert!(key.required_by.iter().all(|program| key.read_by.contains(program)));
        assert!(key.required_by.is_empty() || key.default.is_none());
    }
}

/// A misspelled key planted behind every header, and in every table of a target, is refused by line and name.
#[test]
fn a_stray_key_is_refused_in_every_table() {
    let text = everything_set();
    let lines: Vec<&str> = text.lines().collect();
    let (mut planted, mut section) = (0, String::new());
    for (index, line) in lines.iter().enumerate() {
        let path = match line.strip_prefix('[') {
            Some(header) => {
                header.trim_end_matches(']').clone_into(&mut section);
                ""
            }
            None if line.starts_with("  {") => ".targets[",
            None => continue,
        };
        let table = any_tier(&section) + if path.is_empty() { "" } else { ".targets" };
        for key in KEYS.iter().filter(|key| key.section == table) {
            let stray = format!("{}x", key.name);
            let mut lines: Vec<String> = lines.iter().map(|&line| line.to_owned()).collect();
            let line = if path.is_empty() {
                lines.insert(index + 1, format!("{stray} = 1"));
                index + 2
            } else {
                lines[index] = lines[index].replace('{', &format!("{{ {stray} = 1,"));
                index + 1
            };
            let problems = Config::parse(&lines.join("\n"), Program::Coco).unwrap_err();
            let [problem] = problems.iter().collect::<Vec<_>>()[..] else { panic!("{problems}") };
            assert_eq!(problem.line, Some(line), "{problem}");
            assert!(problem.key.starts_with(&format!("{section}{path}")), "{problem}");
            assert!(problem.key.ends_with(&stray), "{problem}");
            assert!(problem.message.contains(&format!("did you mean `{}`?", key.name)), "{problem}");
            planted += 1;
        }
    }
    // Seven more tables of tiers, nine more targets, and two more that hosts come from.
    let of = |section| KEYS.iter().filter(|key| key.section == section).count();
    let more = [("tiers.NAME", 7), ("tiers.NAME.targets", 9), ("tiers.NAME.migration.from.targets", 2)];
    assert_eq!(planted, KEYS.len() + more.map(|(section, more)| more * of(section)).iter().sum::<usize>());
}
