//! A series: values at a constant step, with what functions note on it.

use std::borrow::Cow;
use std::sync::Arc;

use crate::consolidate::Consolidation;
use crate::limits::Held;

/// Values of one name at `start`, `start + step`, ... An unknown value is NaN.
///
/// The values are shared until somebody changes them, so that a clone is cheap.
///
/// ```
/// use graphite::TimeSeries;
///
/// let load = TimeSeries::new("alpha.load", 1_795_289_410, 10, vec![0.5, f64::NAN, 0.7]);
/// assert_eq!(load.end, 1_795_289_440);
/// assert_eq!(load.tags.get("name"), Some("alpha.load"));
/// ```
#[derive(Debug, Clone)]
pub struct TimeSeries {
    /// What the client is shown.
    pub name: String,
    /// What an aggregate is called after: the pattern as it was asked for, or the call that made the series.
    pub path_expression: String,
    /// Time of the first value, in seconds since 1970.
    pub start: i64,
    /// Time of the value that would follow the last. A few functions set it to something else.
    pub end: i64,
    /// Seconds from value to value, at least 1.
    pub step: i64,
    /// How values are made fewer.
    pub consolidation: Consolidation,
    /// Which share of the values has to be known for one value made of them.
    pub x_files_factor: f64,
    /// Notes; there is always a `name`.
    pub tags: Tags,
    /// Whether whole values are integers to Python, which prints them without a point. Only legends show it.
    pub(crate) has_integers: bool,
    values: Arc<Vec<f64>>,
}

impl TimeSeries {
    /// A series as it was stored.
    ///
    /// # Panics
    ///
    /// If `step` is less than 1.
    pub fn new(name: impl Into<String>, start: i64, step: i64, values: Vec<f64>) -> Self {
        assert!(step >= 1, "a series has a step");
        let length = i64::try_from(values.len()).unwrap_or(i64::MAX);
        let name = name.into();
        Self {
            end: start.saturating_add(length.saturating_mul(step)),
            has_integers: true,
            ..Self::made(name, start, start, step, values)
        }
    }

    /// A series that a function has made of others.
    pub(crate) fn made(name: String, start: i64, end: i64, step: i64, values: Vec<f64>) -> Self {
        Self {
            path_expression: name.clone(),
            tags: Tags::named(&name),
            name,
            start,
            end,
            step,
            consolidation: Consolidation::Average,
            x_files_factor: 0.0,
            has_integers: false,
            values: Arc::new(values),
        }
    }

    /// The same under another name, which is then also its path expression, with other values.
    pub(crate) fn renamed(&self, name: String, values: Vec<f64>) -> Self {
        Self { path_expression: name.clone(), name, values: Arc::new(values), ..self.clone() }
    }

    /// The values; NaN is unknown.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The values, to be changed.
    pub(crate) fn values_mut(&mut self) -> &mut Vec<f64> {
        Arc::make_mut(&mut self.values)
    }

    /// Gives it this name wherever it has one, as functions do that change values.
    pub(crate) fn wrap(&mut self, name: String) {
        self.path_expression.clone_from(&name);
        self.name = name;
    }

    /// What holding it takes.
    pub(crate) fn held(&self) -> Held {
        Held { series: 1, points: self.values.len(), text: self.name.len() + self.path_expression.len() }
    }
}

/// What many series take together.
pub(crate) fn held(series: &[TimeSeries]) -> Held {
    series.iter().map(TimeSeries::held).fold(Held::default(), |sum, one| Held {
        series: sum.series + one.series,
        points: sum.points.saturating_add(one.points),
        text: sum.text.saturating_add(one.text),
    })
}

/// Notes on a series, in the order in which they were made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tags(Vec<(Cow<'static, str>, String)>);

impl Tags {
    fn named(name: &str) -> Self {
        Self(vec![(Cow::Borrowed("name"), name.to_owned())])
    }

    /// The note of this name.
    pub fn get(&self, tag: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == tag).map(|(_, value)| value.as_str())
    }

    /// Makes a note, or changes it.
    pub fn set(&mut self, tag: impl Into<Cow<'static, str>>, value: impl Into<String>) {
        let tag = tag.into();
        match self.0.iter_mut().find(|(name, _)| *name == tag) {
            Some((_, known)) => *known = value.into(),
            None => self.0.push((tag, value.into())),
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(tag, value)| (tag.as_ref(), value.as_str()))
    }

    /// Keeps what `other` says, too.
    pub(crate) fn retain_common(&mut self, other: &Self) {
        self.0.retain(|(tag, value)| other.get(tag) == Some(value));
    }
}
