//! collectd's table of types, `types.db`: what the values of a type are called and which kind they are.
//!
//! ```text
//! # type      data sources: name:kind:min:max
//! if_octets   rx:DERIVE:0:U, tx:DERIVE:0:U
//! ```
//!
//! See types.db(5). Where that is silent this reads as collectd's `types_list.c` does, which skips a line that it
//! can't read and goes on. A file may be from any release and carry anybody's types, so nothing in it is fatal;
//! but every oddity is told. Forwarding never asks this table.

mod line;
mod problem;

use std::collections::HashMap;

use crate::value_kind::ValueKind;
use line::Line;

pub use problem::{Name, Problem, Reason};

/// Types by name, each with at least one data source.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TypesDb {
    types: HashMap<Vec<u8>, Vec<DataSource>>,
}

/// One value of a type. Values of a value list come in the order of the data sources.
#[derive(Debug, Clone, PartialEq)]
pub struct DataSource {
    /// Its name; `value` by convention where it is the only one.
    pub name: Vec<u8>,
    /// The kind of its values.
    pub kind: ValueKind,
    /// The least valid value; of the rate, except for a gauge. `None` where there is no bound (`U`).
    pub min: Option<f64>,
    /// The greatest valid value, like `min`.
    pub max: Option<f64>,
}

impl TypesDb {
    /// The types of one file, and what is odd about the file.
    pub fn parse(text: &[u8]) -> (Self, Vec<Problem>) {
        let mut types = Self::default();
        let mut defined = HashMap::new();
        let mut problems = Vec::new();
        for (number, line) in (1..).zip(text.split_inclusive(|&byte| byte == b'\n')) {
            let mut oddities = Vec::new();
            match Line::parse(line, &mut oddities) {
                Ok(Some(Line { type_name, data_sources })) => {
                    if let Some(before) = defined.insert(type_name, number) {
                        oddities.push(Reason::Redefined { type_name: type_name.into(), before });
                    }
                    types.types.insert(type_name.to_vec(), data_sources);
                }
                Ok(None) => {}
                Err(reason) => oddities = vec![reason],
            }
            problems.extend(oddities.into_iter().map(|reason| Problem { line: number, reason }));
        }
        (types, problems)
    }

    /// Adds the types of another file, which count where both have one.
    pub fn extend(&mut self, other: Self) {
        self.types.extend(other.types);
    }

    /// The data sources of a type, in the order of their values; at least one.
    pub fn get(&self, type_name: &[u8]) -> Option<&[DataSource]> {
        self.types.get(type_name).map(Vec::as_slice)
    }

    /// The number of types.
    pub fn len(&self) -> usize {
        self.types.len()
    }

    /// Whether there is no type at all, as in a file that is no `types.db`.
    pub fn is_empty(&self) -> bool {
        self.types.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::line::MAX_LINE;
    use super::*;
    use proptest::prelude::*;

    fn source(name: &str, kind: ValueKind, min: Option<f64>, max: Option<f64>) -> DataSource {
        DataSource { name: name.as_bytes().to_vec(), kind, min, max }
    }

    fn gauge(name: &str) -> DataSource {
        source(name, ValueKind::Gauge, None, None)
    }

    fn name(text: &str) -> Name {
        Name(text.as_bytes().to_vec())
    }

    /// The type `t` of a file without problems.
    fn read(text: &str) -> Vec<DataSource> {
        let (types, problems) = TypesDb::parse(text.as_bytes());
        assert_eq!(problems, [], "{text:?}");
        types.get(b"t").unwrap_or_default().to_vec()
    }

    /// The type of a line of type `t`, and the problems of the line.
    fn read_odd(line: &str) -> (Option<Vec<DataSource>>, Vec<Reason>) {
        let (types, problems) = TypesDb::parse(format!("# a comment\n{line}\nnext v:GAUGE:U:U\n").as_bytes());
        assert!(problems.iter().all(|problem| problem.line == 2));
        assert!(types.get(b"next").is_some(), "reading goes on");
        let reasons = problems.into_iter().map(|problem| problem.reason).collect();
        (types.get(b"t").map(<[_]>::to_vec), reasons)
    }

    #[test]
    fn every_kind_and_bound() {
        use ValueKind::{Absolute, Counter, Derive, Gauge};
        let text =
            "t a:GAUGE:0:4294967295, b:COUNTER:U:U, c:DERIVE:-1.5:1e3, d:ABSOLUTE:u:+inf, e:gauge:nan:.5";
        let expected = [
            source("a", Gauge, Some(0.0), Some(4_294_967_295.0)),
            source("b", Counter, None, None),
            source("c", Derive, Some(-1.5), Some(1000.0)),
            source("d", Absolute, None, Some(f64::INFINITY)),
            source("e", Gauge, None, Some(0.5)),
        ];
        assert_eq!(read(text), expected);
    }

    #[test]
    fn every_way_to_part_data_sources() {
        let both = [gauge("a"), gauge("b")];
        for text in [
            "t a:GAUGE:U:U, b:GAUGE:U:U\n",
            "t a:GAUGE:U:U b:GAUGE:U:U",
            "t\ta:GAUGE:U:U,\t \tb:GAUGE:U:U,\r\n",
            "  t a:GAUGE:U:U b:GAUGE:U:U\r\n",
            "t a::GAUGE:U:U: :b:GAUGE:::U:U",
        ] {
            assert_eq!(read(text), both, "{text:?}");
        }
    }

    #[test]
    fn comments_and_blank_lines_say_nothing() {
        let long = format!("# {}\n", "x".repeat(MAX_LINE));
        for text in ["", "\n\r\n \t\n", "# t v:GAUGE:U:U", "  #t v:GAUGE:U:U\n", "#", &long] {
            assert_eq!(TypesDb::parse(text.as_bytes()), (TypesDb::default(), vec![]), "{text:?}");
        }
    }

    #[test]
    fn one_bad_data_source_costs_the_line() {
        let fields = |text, fields| Reason::FieldCount { data_source: name(text), fields };
        for (line, reason) in [
            ("t", Reason::NoDataSource { type_name: name("t") }),
            ("t a:GAUGE:U", fields("a:GAUGE:U", 3)),
            ("t a:GAUGE:U:U:U,", fields("a:GAUGE:U:U:U", 5)),
            ("t :GAUGE:U:U", fields(":GAUGE:U:U", 3)),
            ("t a:GAUGE:U:U,b:GAUGE:U:U", fields("a:GAUGE:U:U,b:GAUGE:U:U", 7)),
            ("t a:GAUGE:U:U , b:GAUGE:U:U", fields("", 0)),
            ("t a:GAUGE:U:U # comment", fields("#", 1)),
            ("t a:GAUGE:x:U b:GAUGES:U:U", Reason::UnknownKind { kind: name("GAUGES") }),
        ] {
            assert_eq!(read_odd(line), (None, vec![reason]), "{line:?}");
        }
    }

    #[test]
    fn odd_bounds_are_read_as_atof_does() {
        let odd = |text, read_as| Reason::OddBound { bound: name(text), read_as };
        for (bounds, min, max, reasons) in [
            ("abc:U", Some(0.0), None, vec![odd("abc", 0.0)]),
            ("10%:2e", Some(10.0), Some(2.0), vec![odd("10%", 10.0), odd("2e", 2.0)]),
            ("-:Unlimited", Some(0.0), Some(0.0), vec![odd("-", 0.0), odd("Unlimited", 0.0)]),
            ("0:U,,", Some(0.0), Some(0.0), vec![odd("U,", 0.0)]),
        ] {
            let read = read_odd(&format!("t v:GAUGE:{bounds}"));
            assert_eq!(read, (Some(vec![source("v", ValueKind::Gauge, min, max)]), reasons), "{bounds}");
        }
    }

    #[test]
    fn a_line_has_4094_bytes_with_its_line_feed() {
        let line = |length: usize| format!("{:length$}", "t v:GAUGE:U:U");
        assert_eq!(read_odd(&line(4093)), (Some(vec![gauge("v")]), vec![]));
        assert_eq!(read_odd(&line(4094)), (None, vec![Reason::LongLine { length: 4095 }]));
        assert_eq!(read(&line(4094)), [gauge("v")], "without a line feed, at the end of the file");
    }

    #[test]
    fn a_type_has_63_data_sources() {
        let line = |n: usize| (0..n).fold("t".to_owned(), |line, i| line + &format!(" v{i}:GAUGE:U:U"));
        let kept: Vec<_> = (0..63).map(|i| gauge(&format!("v{i}"))).collect();
        assert_eq!(read(&line(63)), kept);
        let ignored = line(64) + " not read";
        assert_eq!(read_odd(&ignored), (Some(kept), vec![Reason::TooManyDataSources { given: 66 }]));
    }

    #[test]
    fn a_name_has_127_bytes() {
        let (cut, long) = ("n".repeat(127), "n".repeat(128));
        assert_eq!(read(&format!("t {cut}:GAUGE:U:U")), [gauge(&cut)]);
        let (types, problems) = TypesDb::parse(format!("{long} {long}:GAUGE:U:U").as_bytes());
        assert_eq!(types.get(cut.as_bytes()), Some(&[gauge(&cut)][..]));
        let problem = Problem { line: 1, reason: Reason::LongName { name: name(&long) } };
        assert_eq!(problems, [problem.clone(), problem]);
    }

    #[test]
    fn the_later_definition_of_a_type_wins() {
        let text = "t a:GAUGE:U:U\nu v:GAUGE:U:U\nt b:GAUGE:U:U\nt c:COUNT:U:U\n";
        let (types, problems) = TypesDb::parse(text.as_bytes());
        let expected = [
            "line 3: type \"t\" was defined in line 1 already: replaced",
            "line 4: \"COUNT\" is no kind, expected COUNTER, GAUGE, DERIVE or ABSOLUTE: skipped",
        ];
        assert_eq!(problems.iter().map(Problem::to_string).collect::<Vec<_>>(), expected);
        assert_eq!(types.get(b"t"), Some(&[gauge("b")][..]));
        assert_eq!(types.len(), 2);
        assert_eq!(types.get(b"u"), Some(&[gauge("v")][..]));
        assert_eq!(types.get(b"T"), None);
    }

    #[test]
    fn names_are_bytes() {
        let (types, problems) = TypesDb::parse(b"\xff v\xfe:GAUGE:U:U\n\xff v:GAUGE:\xfe:U");
        assert_eq!(problems.len(), 2);
        assert_eq!(types.get(b"\xff").map(|sources| sources[0].min), Some(Some(0.0)));
        assert_eq!(problems[0].reason, Reason::OddBound { bound: Name(b"\xfe".to_vec()), read_as: 0.0 });
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            types in prop::collection::hash_map(
                "[a-z_][a-z0-9_]{0,20}",
                prop::collection::vec(
                    ("[a-z]{1,9}", 0usize..4, prop::option::of(-1e18..1e18), prop::option::of(-1e18..1e18)),
                    1..8,
                ),
                0..20,
            ),
        ) {
            let bound = |bound: &Option<f64>| bound.map_or("U".to_owned(), |bound| bound.to_string());
            let mut text = String::new();
            for (type_name, sources) in &types {
                text += type_name;
                for (name, kind, min, max) in sources {
                    text += &format!(" {name}:{}:{}:{},", ValueKind::ALL[*kind], bound(min), bound(max));
                }
                text += "\n";
            }
            let (read, problems) = TypesDb::parse(text.as_bytes());
            prop_assert_eq!(problems, []);
            prop_assert_eq!(read.len(), types.len());
            for (type_name, sources) in &types {
                let expected: Vec<_> = sources
                    .iter()
                    .map(|(name, kind, min, max)| source(name, ValueKind::ALL[*kind], *min, *max))
                    .collect();
                prop_assert_eq!(read.get(type_name.as_bytes()), Some(expected.as_slice()));
            }
        }

        #[test]
        fn any_bytes_are_read(text in prop::collection::vec(
            prop::sample::select(b"t:# ,\t\r\nUGAUGEgauge01.e-\xff".as_slice()), 0..400,
        )) {
            let (types, problems) = TypesDb::parse(&text);
            let lines = text.split_inclusive(|&byte| byte == b'\n').count();
            prop_assert!(types.len() <= lines);
            prop_assert!(problems.iter().all(|problem| (1..=lines).contains(&problem.line)));
        }
    }
}
