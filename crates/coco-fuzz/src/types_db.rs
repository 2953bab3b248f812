//! A `types.db` from any release of collectd, or no `types.db` at all.

use std::fmt::Write as _;

use coco_core::types_db::{DataSource, TypesDb};

/// collectd's limits: types_list.c.
const MOST_DATA_SOURCES: usize = 63;
const LONGEST_NAME: usize = 127;
const LONGEST_LINE: usize = 4094;

/// What was read stays within collectd's limits, every problem has a line, and what is written anew in the plainest
/// notation is read as the same without a problem.
pub fn holds(text: &[u8]) {
    let (types, problems) = TypesDb::parse(text);
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    assert!(problems.is_sorted_by_key(|problem| problem.line));
    for problem in &problems {
        assert!((1..=lines.len()).contains(&problem.line));
        assert!(!problem.to_string().contains('\n'), "a problem is a line of a log");
    }

    let mut known = 0;
    let mut names: Vec<&[u8]> = lines.iter().filter_map(|line| name(line)).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let Some(sources) = types.get(name) else { continue };
        known += 1;
        assert!(!name.is_empty() && name.len() <= LONGEST_NAME);
        assert!((1..=MOST_DATA_SOURCES).contains(&sources.len()));
        let line = written(name, sources);
        if line.len() <= LONGEST_LINE {
            let (again, problems) = TypesDb::parse(&line);
            assert_eq!(problems, []);
            assert_eq!(again.get(name), Some(sources));
        }
    }
    assert_eq!(known, types.len(), "no type comes from nowhere");
}

/// The first word of a line, as much of it as collectd keeps of a name.
fn name(line: &[u8]) -> Option<&[u8]> {
    let mut words = line.split(|byte| b" \t\r".contains(byte)).filter(|word| !word.is_empty());
    let word = words.next()?;
    Some(word.get(..LONGEST_NAME).unwrap_or(word))
}

fn written(name: &[u8], sources: &[DataSource]) -> Vec<u8> {
    let mut line = name.to_vec();
    for DataSource { name, kind, min, max } in sources {
        line.push(b' ');
        line.extend_from_slice(name);
        let mut rest = format!(":{}", kind.name());
        for bound in [min, max] {
            match bound {
                None => rest.push_str(":U"),
                Some(bound) => write!(rest, ":{bound:e}").expect("a String takes all"),
            }
        }
        line.extend_from_slice(rest.as_bytes());
    }
    line
}
