//! Which files of a host a path means: `/data/HOST/PLUGIN[/INSTANCES]`.
//!
//! `INSTANCES` are parted by commas and slashes alike, and without any there are all. Visage looks for the braces'
//! alternatives one after the other, and for each sorts what it finds: so does [`Selection::of`].
//!
//! Visage's faults that are not repeated: it drops all that stands in front of the first letter, digit or underscore of
//! `INSTANCES`, so that `*-used` finds `-used` and `{a,b}` finds nothing.

use std::cmp::Ordering;

use crate::glob::{self, TooMany};

/// What stands behind the host in a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    plugins: Vec<Vec<u8>>,
    instances: Vec<Vec<u8>>,
}

impl Selection {
    /// Reads the decoded parts of a path: the one of the plugin, and what stands behind it, if anything does.
    ///
    /// # Errors
    /// When braces and lists stand for more than `most` patterns.
    pub fn parse(plugin: &[u8], instances: Option<&[u8]>, most: usize) -> Result<Self, TooMany> {
        let plugins = glob::expanded(plugin, most)?;
        let has_word = |text: &&[u8]| text.iter().any(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        let instances = match instances.filter(has_word) {
            None => vec![b"*".to_vec()],
            Some(list) => {
                let parts: Vec<_> =
                    list.split(|byte| *byte == b'/').filter(|part| !part.is_empty()).collect();
                glob::expanded(&[b"{".as_slice(), &parts.join(&b','), b"}"].concat(), most)?
            }
        };
        let patterns = plugins.len().checked_mul(instances.len());
        if patterns.is_none_or(|patterns| patterns > most) {
            return Err(TooMany(most));
        }
        Ok(Self { plugins, instances })
    }

    /// The name of the only file that can be meant, where it holds no pattern.
    #[must_use]
    pub fn only(&self) -> Option<(&[u8], &[u8])> {
        let is_plain = |pattern: &[u8]| !pattern.iter().any(|byte| b"*?[".contains(byte));
        match (self.plugins.as_slice(), self.instances.as_slice()) {
            ([plugin], [instance]) if is_plain(plugin) && is_plain(instance) => Some((plugin, instance)),
            _ => None,
        }
    }

    /// The files that are meant, by their numbers, each once, in Visage's order. `files` are the plugin and the
    /// instance of each, in any order.
    #[must_use]
    pub fn of(&self, files: &[(&[u8], &[u8])]) -> Vec<usize> {
        let mut sorted: Vec<usize> = (0..files.len()).collect();
        sorted.sort_unstable_by(|one, other| order(files[*one], files[*other]));
        let mut is_found = vec![false; files.len()];
        let mut found = Vec::new();
        for plugin in &self.plugins {
            for instance in &self.instances {
                let fits = |index: &usize| {
                    !is_found[*index]
                        && glob::matches(plugin, files[*index].0)
                        && glob::matches(instance, files[*index].1)
                };
                let these: Vec<usize> = sorted.iter().copied().filter(fits).collect();
                for index in these {
                    is_found[index] = true;
                    found.push(index);
                }
            }
        }
        found
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
        assert_eq!(Selection::parse(ten.as_bytes(), Some(ten.as_bytes()), 99), Err(TooMany(99)));
        assert!(Selection::parse(ten.as_bytes(), Some(ten.as_bytes()), 100).is_ok());
    }
}
