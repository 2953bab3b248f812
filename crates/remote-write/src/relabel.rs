//! Dropping series by rules, as Prometheus' `write_relabel_configs` do with the actions `drop` and `keep`.

use regex::Regex;

use crate::message::Label;

/// What becomes of the series that a rule matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// They are dropped.
    Drop,
    /// All others are dropped.
    Keep,
}

/// A rule: an expression that the values of some labels are matched against, joined by `;`.
#[derive(Debug, Clone)]
pub struct Rule {
    source_labels: Vec<String>,
    regex: Regex,
    action: Action,
}

impl Rule {
    /// The expression matches from the first character to the last. The labels that a series lacks are empty.
    pub fn new(source_labels: Vec<String>, regex: &str, action: Action) -> Result<Self, regex::Error> {
        // By itself first: what is none may be one between the parentheses.
        Regex::new(regex)?;
        Ok(Self { source_labels, regex: Regex::new(&format!("^(?s:{regex})$"))?, action })
    }

    /// Whether a series stays.
    pub fn keeps(&self, labels: &[Label]) -> bool {
        let value =
            |name: &String| labels.iter().find(|label| label.name == *name).map_or("", |label| &label.value);
        let values: Vec<&str> = self.source_labels.iter().map(value).collect();
        self.regex.is_match(&values.join(";")) == (self.action == Action::Keep)
    }
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        let parts = |rule: &Self| (rule.source_labels.clone(), rule.regex.as_str().to_owned(), rule.action);
        parts(self) == parts(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_matches_all_of_the_joined_values() {
        let labels = [("__name__", "collectd_cpu_total"), ("instance", "web1")]
            .map(|(name, value)| Label { name: name.into(), value: value.into() });
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        for (source_labels, regex, matches) in [
            (&["instance"][..], "web[0-9]", true),
            (&["instance"], "web", false),
            (&["instance"], "web|web1", true),
            (&["__name__", "instance"], "collectd_cpu.*;web1", true),
            (&["instance", "cpu"], "web1;", true),
            (&[], "", true),
        ] {
            let keeps = |action| Rule::new(names(source_labels), regex, action).unwrap().keeps(&labels);
            assert_eq!((keeps(Action::Keep), keeps(Action::Drop)), (matches, !matches), "{regex}");
        }
        assert!(Rule::new(Vec::new(), "(", Action::Keep).is_err());
        assert!(Rule::new(Vec::new(), ")(", Action::Keep).is_err());
    }
}
