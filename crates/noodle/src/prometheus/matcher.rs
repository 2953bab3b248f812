//! What holds for the labels of series, and which hosts and names that leaves.

use regex::{Regex, RegexBuilder};
use remote_write::message::{Label, LabelMatcher, MatcherKind};
use remote_write::naming::{INSTANCE, NAME};

use crate::budget::{Exhausted, Reservation};

/// Bytes that a compiled expression may take: little at first, which is enough for most.
const SIZES: [usize; 4] = [4 << 10, 64 << 10, 512 << 10, 4 << 20];

/// What expressions keep while they are held against names.
const CACHE: usize = 64 << 10;

/// Holding a name against so many bytes of an expression takes as long as against a text.
const STEP: usize = 64;

/// Why there is nothing that series can be held against.
#[derive(Debug)]
pub enum Unfit {
    /// A regular expression that is none.
    Regex(String),
    /// Regular expressions that take more than they may.
    Large,
    /// No memory now.
    Memory(Exhausted),
}

/// What holds for the labels of the series that are wanted.
#[derive(Debug)]
pub struct Selector(Vec<Matcher>);

/// What holds for one label; one that is not there is empty.
#[derive(Debug)]
struct Matcher {
    name: String,
    test: Test,
    is_wanted: bool,
}

#[derive(Debug)]
enum Test {
    Text(String),
    Regex { regex: Regex, size: usize, texts: Option<Vec<String>> },
}

impl Selector {
    /// All of these hold. What expressions take is taken of `room`, and lent.
    pub fn new(matchers: Vec<LabelMatcher>, room: &mut usize, held: &mut Reservation) -> Result<Self, Unfit> {
        let matcher = |matcher: LabelMatcher| {
            let kind = MatcherKind::try_from(matcher.r#type).unwrap_or(MatcherKind::Equal);
            let test = match kind {
                MatcherKind::Equal | MatcherKind::NotEqual => Test::Text(matcher.value),
                MatcherKind::Matches | MatcherKind::NotMatches => regex(&matcher.value, room, held)?,
            };
            let is_wanted = matches!(kind, MatcherKind::Equal | MatcherKind::Matches);
            Ok(Matcher { name: matcher.name, test, is_wanted })
        };
        Ok(Self(matchers.into_iter().map(matcher).collect::<Result<_, _>>()?))
    }

    /// How much work it is to hold a series against this, a text being one.
    pub fn work(&self) -> usize {
        let each = |matcher: &Matcher| match &matcher.test {
            Test::Text(_) => 1,
            Test::Regex { size, .. } => 1 + size / STEP,
        };
        1 + self.0.iter().map(each).sum::<usize>()
    }

    /// The hosts that are wanted by name, sorted; none where others may be.
    pub fn hosts(&self) -> Option<Vec<&str>> {
        let named = |matcher: &Matcher| matcher.name == INSTANCE && matcher.is_wanted;
        let texts = self.0.iter().filter(|matcher| named(matcher)).find_map(|matcher| match &matcher.test {
            Test::Text(text) => Some(vec![text.as_str()]),
            Test::Regex { texts, .. } => Some(texts.as_ref()?.iter().map(String::as_str).collect()),
        });
        let mut hosts = texts?;
        // What stands for bytes that are no UTF-8 names no host.
        if hosts.iter().any(|host| host.contains(char::REPLACEMENT_CHARACTER)) {
            return None;
        }
        hosts.retain(|host| !host.is_empty() && self.admits_host(host));
        hosts.sort_unstable();
        hosts.dedup();
        Some(hosts)
    }

    /// Whether series of a host may be wanted.
    pub fn admits_host(&self, host: &str) -> bool {
        self.0.iter().filter(|matcher| matcher.name == INSTANCE).all(|matcher| matcher.holds(host))
    }

    /// Whether series of such labels are wanted if they are called right.
    pub fn admits(&self, labels: &[Label]) -> bool {
        self.0
            .iter()
            .filter(|matcher| matcher.name != NAME)
            .all(|matcher| matcher.holds(value(labels, &matcher.name)))
    }

    /// Whether a series may be called so.
    pub fn admits_name(&self, name: &str) -> bool {
        self.0.iter().filter(|matcher| matcher.name == NAME).all(|matcher| matcher.holds(name))
    }

    /// Whether a series may have a name that begins so.
    pub fn may_begin(&self, stem: &str) -> bool {
        let begins = |matcher: &Matcher| match &matcher.test {
            Test::Text(text) if matcher.is_wanted => {
                text.strip_prefix(stem).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
            }
            _ => true,
        };
        self.0.iter().filter(|matcher| matcher.name == NAME).all(begins)
    }
}

impl Matcher {
    fn holds(&self, value: &str) -> bool {
        let is_so = match &self.test {
            Test::Text(text) => text == value,
            Test::Regex { texts: Some(texts), .. } => texts.iter().any(|text| text == value),
            Test::Regex { regex, .. } => regex.is_match(value),
        };
        is_so == self.is_wanted
    }
}

fn value<'a>(labels: &'a [Label], name: &str) -> &'a str {
    labels.iter().find(|label| label.name == name).map_or("", |label| &label.value)
}

/// Matches from the first character to the last, as Prometheus has it.
fn regex(text: &str, room: &mut usize, held: &mut Reservation) -> Result<Test, Unfit> {
    let unfit = |problem: regex::Error| Unfit::Regex(format!("{text:?} is no regular expression: {problem}"));
    for size in SIZES {
        if size + CACHE > *room {
            return Err(Unfit::Large);
        }
        held.grow(size + CACHE).map_err(Unfit::Memory)?;
        // By itself first: what is none may be one between the parentheses.
        let build = |text: &str| RegexBuilder::new(text).size_limit(size).dfa_size_limit(CACHE).build();
        match build(text).and_then(|_| build(&format!("^(?s:{text})$"))) {
            Ok(regex) => {
                *room -= size + CACHE;
                return Ok(Test::Regex { regex, size, texts: texts(text) });
            }
            Err(regex::Error::CompiledTooBig(_)) => held.give_back(size + CACHE),
            Err(problem) => return Err(unfit(problem)),
        }
    }
    Err(Unfit::Large)
}

/// The texts that an expression of nothing but alternatives stands for, `web1|web2\.example`, as Grafana makes them.
fn texts(regex: &str) -> Option<Vec<String>> {
    let mut texts = vec![String::new()];
    let mut characters = regex.chars();
    while let Some(character) = characters.next() {
        let last = texts.last_mut()?;
        match character {
            '|' => texts.push(String::new()),
            '\\' => last.push(characters.next().filter(char::is_ascii_punctuation)?),
            '.' | '+' | '*' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '^' | '$' => return None,
            character => last.push(character),
        }
    }
    Some(texts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;

    fn selector(matchers: &[(MatcherKind, &str, &str)]) -> Result<Selector, Unfit> {
        let matcher = |(kind, name, value): &(MatcherKind, &str, &str)| LabelMatcher {
            r#type: *kind as i32,
            name: (*name).to_owned(),
            value: (*value).to_owned(),
        };
        let (mut room, mut held) = (16 << 20, Budget::new(64 << 20).nothing());
        Selector::new(matchers.iter().map(matcher).collect(), &mut room, &mut held)
    }

    #[test]
    fn series_are_held_against_matchers_as_prometheus_does() {
        use MatcherKind::{Equal, Matches, NotEqual, NotMatches};
        let labels = [("instance", "web1"), ("cpu", "0"), ("type", "user")]
            .map(|(name, value)| Label { name: name.into(), value: value.into() });
        for (kind, name, value, holds) in [
            (Equal, "cpu", "0", true),
            (Equal, "cpu", "", false),
            (Equal, "job", "", true),
            (NotEqual, "cpu", "0", false),
            (NotEqual, "job", "", false),
            (NotEqual, "job", "a", true),
            (Matches, "type", "us.*", true),
            (Matches, "type", "us", false),
            (Matches, "type", "system|user", true),
            (Matches, "job", ".*", true),
            (Matches, "job", ".+", false),
            (NotMatches, "type", "us.r", false),
            (NotMatches, "type", "nice|idle", true),
            (NotMatches, "job", ".+", true),
        ] {
            let selector = selector(&[(kind, name, value)]).unwrap();
            assert_eq!(selector.admits(&labels), holds, "{name} {kind:?} {value}");
        }
    }

    #[test]
    fn hosts_that_are_named_are_known_without_a_list() {
        use MatcherKind::{Equal, Matches, NotEqual};
        let hosts = |matchers: &[(MatcherKind, &str, &str)]| {
            let selector = selector(matchers).unwrap();
            selector.hosts().map(|hosts| hosts.into_iter().map(str::to_owned).collect::<Vec<_>>())
        };
        let some = |hosts: &[&str]| Some(hosts.iter().map(|&host| host.to_owned()).collect::<Vec<_>>());
        assert_eq!(hosts(&[(Equal, "instance", "web1")]), some(&["web1"]));
        assert_eq!(hosts(&[(Matches, "instance", r"web2\.example|web1")]), some(&["web1", "web2.example"]));
        assert_eq!(hosts(&[(Matches, "instance", "a|b"), (NotEqual, "instance", "a")]), some(&["b"]));
        assert_eq!(hosts(&[(Equal, "instance", "")]), some(&[]));
        assert_eq!(hosts(&[(Matches, "instance", "web.*")]), None);
        assert_eq!(hosts(&[(Equal, "instance", "a\u{fffd}")]), None);
        assert_eq!(hosts(&[(Equal, "cpu", "0")]), None);
    }

    #[test]
    fn a_name_is_looked_for_among_types_that_may_have_it() {
        let selector = selector(&[(MatcherKind::Equal, NAME, "collectd_load_load_shortterm")]).unwrap();
        assert!(selector.may_begin("collectd_load_load") && selector.may_begin("collectd_load"));
        assert!(!selector.may_begin("collectd_loa") && !selector.may_begin("collectd_cpu"));
    }

    #[test]
    fn expressions_that_take_too_much_are_refused_and_what_they_took_is_given_back() {
        use MatcherKind::Matches;
        assert!(matches!(selector(&[(Matches, "a", "(")]), Err(Unfit::Regex(_))));
        assert!(matches!(selector(&[(Matches, "a", ")(")]), Err(Unfit::Regex(_))));
        assert!(matches!(selector(&[(Matches, "a", "((a{100}){100}){100}")]), Err(Unfit::Large)));
        let many: Vec<_> = (0..1000).map(|_| (Matches, "a", "b.*")).collect();
        assert!(matches!(selector(&many), Err(Unfit::Large)));
        let (budget, mut room) = (Budget::new(8 << 10), 16 << 20);
        let matcher = LabelMatcher { r#type: 2, name: "a".into(), value: "b.*".into() };
        let refused = Selector::new(vec![matcher], &mut room, &mut budget.nothing());
        assert!(matches!(refused, Err(Unfit::Memory(Exhausted))));
        assert_eq!(budget.lent(), 0);
    }
}
