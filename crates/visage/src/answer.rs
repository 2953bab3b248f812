//! The JSON of an answer with series.
//!
//! ```text
//! {HOST: {PLUGIN: {INSTANCE: {DATA SOURCE: {"start": int, "finish": int, "data": [number or null, ...]
//!                                           [, "percentile_95": int, "percentile_50": int, "percentile_5": int]}}}}}
//! ```
//!
//! `start` and `finish` are those of the request. Keys stand in the order in which they came first. A name that is not
//! UTF-8 has U+FFFD in it.
//!
//! Visage's faults that are not repeated: it puts the last known value in place of unknown ones, also of another
//! series; with percentiles, unknown values vanish from `data`, so that later ones move up; one file that can't be read
//! makes an error of the whole answer.

use crate::{consolidation, numbers};

/// How rows are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    /// The start of the window, in seconds since 1970, as it was asked for.
    pub start: i64,
    /// Its end.
    pub finish: i64,
    /// Whether percentiles are wanted.
    pub percentiles: bool,
    /// Whether unknown values take the last known one of their series, as those of Visage do.
    pub fill_gaps: bool,
}

/// An answer that is being written. Series of one host, and of one plugin in it, must follow one another.
#[derive(Debug)]
pub struct Answer {
    form: Form,
    text: Vec<u8>,
    /// The host and the plugin whose objects are open.
    open: Option<(Vec<u8>, Vec<u8>)>,
}

impl Answer {
    /// With nothing in it yet.
    #[must_use]
    pub fn new(form: Form) -> Self {
        Self::with_capacity(form, 0)
    }

    /// The same with memory for so many bytes, so that it need not be moved as it grows.
    #[must_use]
    pub fn with_capacity(form: Form, bytes: usize) -> Self {
        let mut text = Vec::with_capacity(bytes);
        text.push(b'{');
        Self { form, text, open: None }
    }

    /// How many bytes it has so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open.is_none()
    }

    /// Adds the rows of a file: of each data source the name, and a value for each row, NaN where it is unknown.
    pub fn add(&mut self, host: &[u8], plugin: &[u8], instance: &[u8], sources: &[(&[u8], &[f64])]) {
        self.open(host, plugin);
        self.key(instance);
        self.text.push(b'{');
        for (index, (name, values)) in sources.iter().enumerate() {
            if index > 0 {
                self.text.push(b',');
            }
            self.key(name);
            self.source(values);
        }
        self.text.push(b'}');
    }

    /// The text.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.text.extend_from_slice(if self.open.is_some() { b"}}}" } else { b"}" });
        self.text
    }

    /// Closes what is open of others, and stands where the key of an instance comes next.
    fn open(&mut self, host: &[u8], plugin: &[u8]) {
        let (is_host, is_plugin) = match &self.open {
            Some((open_host, open_plugin)) => (open_host == host, open_host == host && open_plugin == plugin),
            None => (false, false),
        };
        if is_plugin {
            self.text.push(b',');
            return;
        }
        match (&self.open, is_host) {
            (None, _) => {}
            (Some(_), true) => self.text.extend_from_slice(b"},"),
            (Some(_), false) => self.text.extend_from_slice(b"}},"),
        }
        if !is_host {
            self.key(host);
            self.text.push(b'{');
        }
        self.key(plugin);
        self.text.push(b'{');
        self.open = Some((host.to_vec(), plugin.to_vec()));
    }

    fn source(&mut self, values: &[f64]) {
        let Form { start, finish, percentiles, fill_gaps } = self.form;
        self.text.extend_from_slice(format!("{{\"start\":{start},\"finish\":{finish},\"data\":[").as_bytes());
        let filled = fill_gaps.then(|| filled(values));
        let values = filled.as_deref().unwrap_or(values);
        numbers::write(&consolidation::shown(values), &mut self.text);
        self.text.push(b']');
        let found =
            percentiles.then(|| consolidation::percentiles(values, finish.saturating_sub(start))).flatten();
        for (percent, value) in [95, 50, 5].into_iter().zip(found.into_iter().flatten()) {
            // Without a point, as Ruby writes what it has rounded; minus zero it has not.
            self.text.extend_from_slice(format!(",\"percentile_{percent}\":{:.0}", value + 0.0).as_bytes());
        }
        self.text.push(b'}');
    }

    fn key(&mut self, name: &[u8]) {
        let name = String::from_utf8_lossy(name);
        serde_json::to_writer(&mut self.text, &*name).expect("a vector takes all");
        self.text.push(b':');
    }
}

/// The values with the last known one in place of those that are unknown behind it.
fn filled(values: &[f64]) -> Vec<f64> {
    let mut last = f64::NAN;
    let fill = |value: &f64| {
        if !value.is_nan() {
            last = *value;
        }
        last
    };
    values.iter().map(fill).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const FORM: Form = Form { start: 1000, finish: 1030, percentiles: false, fill_gaps: false };

    fn text(form: Form, add: impl FnOnce(&mut Answer)) -> String {
        let mut answer = Answer::new(form);
        add(&mut answer);
        String::from_utf8(answer.finish()).unwrap()
    }

    fn json(form: Form, values: &[f64]) -> Value {
        let text = text(form, |answer| answer.add(b"h", b"p", b"i", &[(b"value", values)]));
        let mut json: Value = serde_json::from_str(&text).unwrap();
        json["h"]["p"]["i"]["value"].take()
    }

    #[test]
    fn hosts_plugins_and_instances_nest() {
        let text = text(FORM, |answer| {
            assert!(answer.is_empty());
            answer.add(b"a", b"p", b"i", &[(b"x", &[1.0]), (b"y", &[])]);
            answer.add(b"a", b"p", b"j", &[(b"x", &[2.5])]);
            answer.add(b"a", b"q", b"i", &[(b"x", &[1e20])]);
            answer.add(b"b\"", b"q", b"\xff", &[(b"x", &[f64::INFINITY])]);
        });
        let source = |data: &str| format!("{{\"start\":1000,\"finish\":1030,\"data\":[{data}]}}");
        let expected = format!(
            "{{\"a\":{{\"p\":{{\"i\":{{\"x\":{},\"y\":{}}},\"j\":{{\"x\":{}}}}},\"q\":{{\"i\":{{\"x\":{}}}}}}},\"b\\\"\":{{\"q\":{{\"\u{fffd}\":{{\"x\":{}}}}}}}}}",
            source("1.0"),
            source(""),
            source("2.5"),
            source("1e+20"),
            source("null")
        );
        assert_eq!(text, expected);
        assert_eq!(Answer::new(FORM).finish(), b"{}");
    }

    #[test]
    fn gaps_are_filled_within_a_series_if_at_all() {
        let values = [f64::NAN, 1.0, f64::NAN];
        assert_eq!(json(FORM, &values)["data"], json!([null, 1.0, null]));
        let form = Form { fill_gaps: true, ..FORM };
        assert_eq!(json(form, &values)["data"], json!([null, 1.0, 1.0]));
    }

    #[test]
    fn percentiles_are_whole_numbers_behind_the_data() {
        let form = Form { percentiles: true, ..FORM };
        let expected = json!({
            "start": 1000, "finish": 1030, "data": [1.0, null, 4.0],
            "percentile_95": 1, "percentile_50": 1, "percentile_5": 4
        });
        assert_eq!(json(form, &[1.0, f64::NAN, 4.0]), expected);
        let nothing = json(form, &[f64::NAN]);
        assert_eq!(nothing, json!({"start": 1000, "finish": 1030, "data": [null]}));
        assert_eq!(json(form, &[-0.2])["percentile_50"], json!(0));
    }
}
