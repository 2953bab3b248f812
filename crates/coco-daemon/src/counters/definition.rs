//! A row of a daemon's table of counters.

/// Whether a value only ever grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Grows from 0 at the start of the process.
    Counter,
    /// Moves both ways.
    Gauge,
    /// Durations in seconds, as a [`Distribution`](crate::latency::Distribution).
    Histogram,
}

/// Where a definition is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// In `/debug/vars` and in `/metrics`.
    Both,
    /// In `/debug/vars` alone: a total, say, which Prometheus adds up by itself.
    Json,
    /// In `/metrics` alone.
    Prometheus,
}

/// One row of a daemon's table of counters.
#[derive(Debug, PartialEq, Eq)]
pub struct Definition {
    /// The keys that lead to the value in `/debug/vars`, the program's first: `["coco", "listen", "raw"]`.
    /// An element in braces, `"{tier}"`, stands for the value of the label of that name.
    pub path: &'static [&'static str],
    /// Whether the value only ever grows.
    pub kind: Kind,
    /// One sentence with the unit, for the README and for `/metrics`.
    pub help: &'static str,
    /// Where it is shown.
    pub view: View,
}

impl Definition {
    /// A counter that both views show.
    pub const fn counter(path: &'static [&'static str], help: &'static str) -> Self {
        Self { path, kind: Kind::Counter, help, view: View::Both }
    }

    /// A gauge that both views show.
    pub const fn gauge(path: &'static [&'static str], help: &'static str) -> Self {
        Self { path, kind: Kind::Gauge, help, view: View::Both }
    }

    /// A histogram that both views show; its path says in what.
    pub const fn histogram(path: &'static [&'static str], help: &'static str) -> Self {
        Self { path, kind: Kind::Histogram, help, view: View::Both }
    }

    /// The same, shown in `view` alone.
    #[must_use]
    pub const fn only(self, view: View) -> Self {
        Self { view, ..self }
    }

    /// The name as the documentation writes it: `coco.send.{{ target }}`.
    pub fn documented_name(&self) -> String {
        let elements: Vec<_> = self
            .path
            .iter()
            .map(|element| match placeholder(element) {
                Some(label) => format!("{{{{ {label} }}}}"),
                None => (*element).to_owned(),
            })
            .collect();
        elements.join(".")
    }

    /// The row of the README's table: ``| `coco.listen.raw` | Datagrams received. |``.
    pub fn documentation_row(&self) -> String {
        format!("| `{}` | {} |", self.documented_name(), self.help)
    }

    /// The name in `/metrics`: the path without placeholders, `_` for what is not a letter or digit,
    /// `_total` on counters.
    pub fn prometheus_name(&self) -> String {
        let fixed: Vec<_> = self.path.iter().filter(|element| placeholder(element).is_none()).collect();
        let mut name = String::new();
        for (index, element) in fixed.into_iter().enumerate() {
            if index > 0 {
                name.push('_');
            }
            name.extend(
                element.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }),
            );
        }
        if self.kind == Kind::Counter {
            name.push_str("_total");
        }
        name
    }
}

/// The label that a path element stands for.
pub(super) fn placeholder(element: &str) -> Option<&str> {
    element.strip_prefix('{')?.strip_suffix('}')
}

#[cfg(test)]
mod tests {
    use super::*;

    static RAW: Definition = Definition::counter(&["coco", "listen", "raw"], "Datagrams received.");
    static AVERAGE: Definition = Definition::gauge(
        &["coco", "hash.metrics_per_host", "{tier}", "{target}", "95e"],
        "95th percentile of metrics per host.",
    );

    #[test]
    fn definitions_document_themselves() {
        assert_eq!(RAW.documentation_row(), "| `coco.listen.raw` | Datagrams received. |");
        assert_eq!(AVERAGE.documented_name(), "coco.hash.metrics_per_host.{{ tier }}.{{ target }}.95e");
    }

    #[test]
    fn prometheus_takes_letters_digits_and_underscores() {
        assert_eq!(RAW.prometheus_name(), "coco_listen_raw_total");
        assert_eq!(AVERAGE.prometheus_name(), "coco_hash_metrics_per_host_95e");
    }
}
