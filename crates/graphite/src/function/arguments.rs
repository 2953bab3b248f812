//! The arguments of one call, by the places of its parameters. Whoever asks says what he needs; the error says which
//! argument is not that.

use super::{Parameter, Value};
use crate::aggregate::Aggregation;
use crate::error::Error;
use crate::series::TimeSeries;

/// What a function is given.
#[derive(Debug)]
pub(crate) struct Arguments {
    called: String,
    parameters: &'static [Parameter],
    fixed: Vec<Option<Value>>,
    rest: Vec<Value>,
}

impl Arguments {
    pub(super) fn new(
        called: &str,
        parameters: &'static [Parameter],
        fixed: Vec<Option<Value>>,
        rest: Vec<Value>,
    ) -> Self {
        Self { called: called.to_owned(), parameters, fixed, rest }
    }

    /// Series alone, for a function that is called by its name.
    pub(crate) fn of_series(called: &str, parameters: &'static [Parameter], series: Vec<TimeSeries>) -> Self {
        let is_open = parameters.len() == 1 && parameters.last().is_some_and(|last| last.multiple);
        let mut fixed: Vec<_> = parameters.iter().map(|_| None).collect();
        let mut rest = Vec::new();
        if is_open {
            fixed.clear();
            rest.push(Value::Series(series));
        } else {
            let is_open = parameters.last().is_some_and(|last| last.multiple);
            fixed.truncate(parameters.len() - usize::from(is_open));
            if let Some(first) = fixed.first_mut() {
                *first = Some(Value::Series(series));
            }
        }
        Self::new(called, parameters, fixed, rest)
    }

    /// Whether nothing is missing that has to be there, and there are no series.
    pub(crate) fn is_of_no_series(&self) -> bool {
        let is_missing =
            |(parameter, value): (&Parameter, &Option<Value>)| parameter.required && value.is_none();
        let has_none = matches!(self.value(0), Some(Value::Series(series)) if series.is_empty());
        has_none && !self.parameters.iter().zip(&self.fixed).any(is_missing)
    }

    /// That the call cannot be answered.
    pub(crate) fn wrong(&self, problem: impl Into<String>) -> Error {
        Error::Argument { function: self.called.clone(), problem: problem.into() }
    }

    fn unfit(&self, place: usize) -> Error {
        let name = self.parameters.get(place).map_or("an argument", |parameter| parameter.name);
        let kind = self.parameters.get(place).map_or("other", |parameter| parameter.kind.name());
        self.wrong(format!("{name} must be {kind}"))
    }

    /// As it was written, or converted; None if it is missing.
    pub(crate) fn value(&self, place: usize) -> Option<&Value> {
        self.fixed.get(place).and_then(Option::as_ref)
    }

    fn needed(&self, place: usize) -> Result<&Value, Error> {
        self.value(place).ok_or_else(|| {
            let name = self.parameters.get(place).map_or("an argument", |parameter| parameter.name);
            self.wrong(format!("needs {name}"))
        })
    }

    /// What follows the fixed arguments.
    pub(crate) fn rest(&self) -> &[Value] {
        &self.rest
    }

    /// The first argument; every function but a few has series there.
    pub(crate) fn series(&mut self) -> Result<Vec<TimeSeries>, Error> {
        self.series_at(0)
    }

    pub(crate) fn series_at(&mut self, place: usize) -> Result<Vec<TimeSeries>, Error> {
        match self.fixed.get_mut(place).and_then(Option::take) {
            Some(Value::Series(series)) => Ok(series),
            Some(_) => Err(self.unfit(place)),
            None => self.needed(place).map(|_| Vec::new()),
        }
    }

    /// All series of a function that takes any number of lists; None if it got none.
    pub(crate) fn all_series(&mut self) -> Result<Option<Vec<TimeSeries>>, Error> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let mut all = Vec::new();
        for value in std::mem::take(&mut self.rest) {
            match value {
                Value::Series(series) if all.is_empty() => all = series,
                Value::Series(series) => all.extend(series),
                _ => return Err(self.unfit(self.parameters.len() - 1)),
            }
        }
        Ok(Some(all))
    }

    pub(crate) fn number(&self, place: usize) -> Result<f64, Error> {
        self.needed(place)?.number().ok_or_else(|| self.unfit(place))
    }

    /// A missing one and None are nothing.
    pub(crate) fn optional_number(&self, place: usize) -> Result<Option<f64>, Error> {
        match self.value(place) {
            None | Some(Value::None) => Ok(None),
            Some(_) => self.number(place).map(Some),
        }
    }

    /// A whole number; 1.5 is none.
    pub(crate) fn integer(&self, place: usize) -> Result<i64, Error> {
        self.needed(place)?.index().ok_or_else(|| self.unfit(place))
    }

    pub(crate) fn text(&self, place: usize) -> Result<&str, Error> {
        match self.needed(place)? {
            Value::Text(text) => Ok(text),
            _ => Err(self.unfit(place)),
        }
    }

    pub(crate) fn optional_text(&self, place: usize) -> Result<Option<&str>, Error> {
        match self.value(place) {
            None | Some(Value::None) => Ok(None),
            Some(_) => self.text(place).map(Some),
        }
    }

    /// Whether it would be taken for true; a missing one is not.
    pub(crate) fn is_true(&self, place: usize) -> bool {
        self.value(place).is_some_and(Value::is_true)
    }

    pub(crate) fn aggregation(&self, place: usize, default: Aggregation) -> Result<Aggregation, Error> {
        match self.value(place) {
            None => Ok(default),
            Some(_) => Aggregation::named(self.text(place)?),
        }
    }

    /// What a tag says of the argument.
    pub(crate) fn printed(&self, place: usize) -> String {
        self.value(place).and_then(Value::printed).unwrap_or_default()
    }
}
