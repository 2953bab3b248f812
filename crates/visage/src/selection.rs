//! Which files of a host a path means: `/data/HOST/PLUGIN[/INSTANCES]`.
//!
//! `INSTANCES` are parted by commas and slashes alike, and without any there are all. Visage looks for the braces'
//! alternatives one after the other, and for each sorts what it finds: so does [`Selection::of`].
//!
//! Visage's faults that are not repeated: it drops all that stands in front of the first letter, digit or underscore of
//! `INSTANCES`, so that `*-used` finds `-used` and `{a,b}` finds nothing.

use std::cmp::Ordering;
use std::collections::HashMap;

use crate::glob::{self, TooMuch};

/// Patterns of a request that hold `*`, `?` or `[`: each is compared with every name that begins as it does.
const MOST_GLOBS: usize = 256;

/// What stands behind the host in a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    plugins: Patterns,
    instances: Patterns,
}

/// Patterns in the order in which Visage looks for them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Patterns {
    all: Vec<Vec<u8>>,
    /// The places of those that hold `*`, `?` or `[`.
    globs: Vec<usize>,
}

impl Selection {
    /// Reads the decoded parts of a path: the one of the plugin, and what stands behind it, if anything does.
    ///
    /// # Errors
    /// When braces and lists stand for more than `most` patterns, for longer ones than any name is, or for many globs.
    pub fn parse(plugin: &[u8], instances: Option<&[u8]>, most: usize) -> Result<Self, TooMuch> {
        let plugins = Patterns::new(glob::expanded(plugin, most)?)?;
        let has_word = |text: &&[u8]| text.iter().any(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        let instances = match instances.filter(has_word) {
            None => vec![b"*".to_vec()],
            Some(list) => {
                let parts: Vec<_> =
                    list.split(|byte| *byte == b'/').filter(|part| !part.is_empty()).collect();
                glob::expanded(&[b"{".as_slice(), &parts.join(&b','), b"}"].concat(), most)?
            }
        };
        let instances = Patterns::new(instances)?;
        let patterns = plugins.all.len().checked_mul(instances.all.len());
        if patterns.is_none_or(|patterns| patterns > most) {
            return Err(TooMuch::Patterns(most));
        }
        Ok(Self { plugins, instances })
    }

    /// Bytes that it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.plugins.bytes() + self.instances.bytes()
    }

    /// How many patterns each name is compared with.
    #[must_use]
    pub fn globs(&self) -> usize {
        self.plugins.globs.len() + self.instances.globs.len()
    }

    /// The name of the only file that can be meant, where it holds no pattern.
    #[must_use]
    pub fn only(&self) -> Option<(&[u8], &[u8])> {
        match (self.plugins.all.as_slice(), self.instances.all.as_slice()) {
            ([plugin], [instance]) if self.globs() == 0 => Some((plugin, instance)),
            _ => None,
        }
    }

    /// The files that are meant, by their numbers, each once, in Visage's order. `files` are the plugin and the
    /// instance of each, in any order.
    #[must_use]
    pub fn of(&self, files: &[(&[u8], &[u8])]) -> Vec<usize> {
        let (mut plugins, mut instances) = (self.plugins.index(), self.instances.index());
        // Visage looks for all instances of the first plugin, then for those of the next.
        let mut found = Vec::new();
        for (index, (plugin, instance)) in files.iter().enumerate() {
            let Some(plugin) = plugins.place(plugin) else { continue };
            found.extend(instances.place(instance).map(|instance| ((plugin, instance), index)));
        }
        found.sort_unstable_by(|(one, a), (other, b)| {
            one.cmp(other).then_with(|| order(files[*a], files[*b])).then(a.cmp(b))
        });
        found.into_iter().map(|(_, index)| index).collect()
    }
}

impl Patterns {
    fn new(all: Vec<Vec<u8>>) -> Result<Self, TooMuch> {
        let is_glob = |place: &usize| !glob::is_literal(&all[*place]);
        let globs: Vec<_> = (0..all.len()).filter(is_glob).collect();
        if globs.len() > MOST_GLOBS {
            return Err(TooMuch::Globs(MOST_GLOBS));
        }
        Ok(Self { all, globs })
    }

    fn bytes(&self) -> usize {
        self.all.iter().map(|pattern| size_of::<Vec<u8>>() + pattern.len()).sum()
    }

    fn index(&self) -> Index<'_> {
        let mut literals = HashMap::new();
        for (place, pattern) in self.all.iter().enumerate() {
            literals.entry(pattern.as_slice()).or_insert(place);
        }
        Index { patterns: self, literals, last: None }
    }
}

/// Which pattern matches a name first.
struct Index<'a> {
    patterns: &'a Patterns,
    /// The first place of each pattern, of which those count that match themselves.
    literals: HashMap<&'a [u8], usize>,
    /// The answer to the last name: many files of one plugin follow one another.
    last: Option<(&'a [u8], Option<usize>)>,
}

impl<'a> Index<'a> {
    fn place(&mut self, name: &'a [u8]) -> Option<usize> {
        if let Some((last, place)) = self.last
            && last == name
        {
            return place;
        }
        let literal =
            self.literals.get(name).copied().filter(|place| glob::is_literal(&self.patterns.all[*place]));
        let globs = self.patterns.globs.iter().copied();
        let mut earlier = globs.take_while(|place| literal.is_none_or(|literal| *place < literal));
        let glob = earlier.find(|place| glob::matches(&self.patterns.all[*place], name));
        let place = glob.or(literal);
        self.last = Some((name, place));
        place
    }
}

/// The order of two metrics, each a plugin and an instance: that of Ruby's `Dir.glob`, which sorts the directories, and
/// in each of them the files by their whole names, so that `load-1.rrd` stands before `load.rrd`.
#[must_use]
pub fn order(one: (&[u8], &[u8]), other: (&[u8], &[u8])) -> Ordering {
    let file = |instance| <[u8]>::iter(instance).chain(b".rrd");
    one.0.cmp(other.0).then_with(|| file(one.1).cmp(file(other.1)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FILES: [(&str, &str); 6] = [
        ("memory", "memory-used"),
        ("load", "load"),
        ("memory", "memory-free"),
        ("cpu-1", "cpu-user"),
        ("cpu-0", "cpu-user"),
        ("cpu-0", "cpu-idle"),
    ];

    fn selected(plugin: &str, instances: Option<&str>) -> String {
        let selection = Selection::parse(plugin.as_bytes(), instances.map(str::as_bytes), 100).unwrap();
        let files = FILES.map(|(plugin, instance)| (plugin.as_bytes(), instance.as_bytes()));
        let names =
            selection.of(&files).into_iter().map(|index| format!("{}/{}", FILES[index].0, FILES[index].1));
        names.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn commas_and_slashes_part_instances() {
        let both = "memory/memory-used memory/memory-free";
        assert_eq!(selected("memory", Some("memory-used,memory-free")), both);
        assert_eq!(selected("memory", Some("memory-used/memory-free")), both);
        assert_eq!(selected("memory", Some("{memory-used,memory-free}")), both);
        assert_eq!(selected("memory", Some("memory-u*,memory-used")), "memory/memory-used");
    }

    #[test]
    fn without_instances_there_are_all_and_sorted() {
        assert_eq!(selected("cpu-*", None), "cpu-0/cpu-idle cpu-0/cpu-user cpu-1/cpu-user");
        assert_eq!(selected("cpu-*", Some("*")), "cpu-0/cpu-idle cpu-0/cpu-user cpu-1/cpu-user");
        assert_eq!(selected("{load,cpu-1}", None), "load/load cpu-1/cpu-user");
        assert_eq!(selected("load,cpu-1", None), "", "a comma is one of the name");
        assert_eq!(selected("*", Some("*-user")), "cpu-0/cpu-user cpu-1/cpu-user");
    }

    #[test]
    fn metrics_stand_in_the_order_of_their_files() {
        let sorted =
            [("df", "b"), ("df-dev", "a"), ("df-dev-shm", "a"), ("load", "load-1"), ("load", "load")];
        let bytes =
            |(plugin, instance): (&'static str, &'static str)| (plugin.as_bytes(), instance.as_bytes());
        assert!(sorted.is_sorted_by(|one, other| order(bytes(*one), bytes(*other)).is_lt()));
    }

    #[test]
    fn a_name_without_patterns_needs_no_list_of_files() {
        let only = |plugin: &str, instances: Option<&str>| {
            let selection = Selection::parse(plugin.as_bytes(), instances.map(str::as_bytes), 100).unwrap();
            selection.only().is_some()
        };
        assert!(only("load", Some("load")));
        assert!(!only("load", None));
        assert!(!only("load", Some("a,b")));
        assert!(!only("cpu-?", Some("a")));
    }

    #[test]
    fn too_many_patterns_are_refused() {
        let ten = "{a,b,c,d,e,f,g,h,i,j}";
        assert_eq!(Selection::parse(ten.as_bytes(), Some(ten.as_bytes()), 99), Err(TooMuch::Patterns(99)));
        assert!(Selection::parse(ten.as_bytes(), Some(ten.as_bytes()), 100).is_ok());
    }
    #[test]
    fn many_globs_are_refused_and_many_names_are_not() {
        let list =
            |star: &str| (0..1000).map(|number| format!("{star}{number}")).collect::<Vec<_>>().join(",");
        assert_eq!(Selection::parse(b"load", Some(list("*").as_bytes()), 10_000), Err(TooMuch::Globs(256)));
        let selection = Selection::parse(b"load", Some(list("a").as_bytes()), 10_000).unwrap();
        assert!((1000 * 24..1000 * 32).contains(&selection.bytes()), "{}", selection.bytes());
        assert_eq!((selection.globs(), selection.of(&[(b"load", b"a7")])), (0, vec![0]));
    }

    /// As Visage does it: one pattern after the other.
    fn model(selection: &Selection, files: &[(&[u8], &[u8])]) -> Vec<usize> {
        let mut sorted: Vec<usize> = (0..files.len()).collect();
        sorted.sort_by(|one, other| order(files[*one], files[*other]));
        let mut found = Vec::new();
        for plugin in &selection.plugins.all {
            for instance in &selection.instances.all {
                for index in &sorted {
                    let (of_plugin, of_instance) = files[*index];
                    let is_match = glob::matches(plugin, of_plugin) && glob::matches(instance, of_instance);
                    if is_match && !found.contains(index) {
                        found.push(*index);
                    }
                }
            }
        }
        found
    }

    proptest! {
        #[test]
        fn files_are_found_as_one_pattern_after_the_other_finds_them(
            plugin in "[ab*{},]{1,8}",
            instances in "[ab?*/,]{0,8}",
            files in proptest::collection::vec(("[ab.]{1,2}", "[ab]{1,2}"), 0..20),
        ) {
            let Ok(selection) = Selection::parse(plugin.as_bytes(), Some(instances.as_bytes()), 100) else {
                return Ok(());
            };
            let files: Vec<_> = files.iter().map(|(plugin, instance)| (plugin.as_bytes(), instance.as_bytes())).collect();
            prop_assert_eq!(selection.of(&files), model(&selection, &files));
        }
    }
}
