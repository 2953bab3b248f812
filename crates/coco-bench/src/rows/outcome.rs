//! A row with its figure.

use serde::Serialize;
use serde_json::Value;

use super::bars::{ROWS, Row};
use crate::measure::Measurement;
use crate::statistics::{median, range};

/// A row with its figure.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    #[serde(flatten)]
    pub(crate) row: &'static Row,
    pub(crate) measured: f64,
    /// What a ratio is of, in its own unit; empty for what is no ratio.
    pub(crate) beside: String,
    pub(crate) verdict: &'static str,
    /// Least and largest of the figures that `measured` is the median of.
    pub(crate) range: Option<(f64, f64)>,
    /// What a reader must know beside the figure.
    pub(crate) notes: Vec<String>,
    /// What went wrong: the figure stands on runs that lost something or whose books do not balance.
    pub(crate) complaints: Vec<String>,
    /// What it was made from.
    pub(crate) measurements: Vec<Value>,
}

impl Outcome {
    /// Of one or several figures of which the median counts.
    pub(crate) fn new(key: &str, figures: &[f64]) -> Self {
        let row = ROWS.iter().find(|row| row.key == key).expect("outcomes are named as rows are");
        let measured = median(figures);
        let range = range(figures).filter(|_| figures.len() > 1);
        let (beside, notes, complaints, measurements) = (String::new(), Vec::new(), Vec::new(), Vec::new());
        Self { row, measured, beside, verdict: row.verdict(measured), range, notes, complaints, measurements }
    }

    /// Says what a ratio is of.
    pub(crate) fn beside(mut self, beside: String) -> Self {
        self.beside = beside;
        self
    }

    /// Says something beside the figure.
    pub(crate) fn note(mut self, note: String) -> Self {
        self.notes.push(note);
        self
    }

    /// Adds the runs that the figure was made from, and what is wrong with them.
    pub(crate) fn from<'a>(mut self, measurements: impl IntoIterator<Item = &'a Measurement>) -> Self {
        for measurement in measurements {
            self.complaints.extend(measurement.complaints());
            self.measurements.extend(serde_json::to_value(measurement));
        }
        self
    }
}
