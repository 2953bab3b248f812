//! What a function may use besides its arguments.

use std::collections::HashMap;

use jiff::tz::TimeZone;

use super::Function;
use crate::error::Error;
use crate::limits::{Budget, Held};
use crate::series::TimeSeries;
use crate::time::Window;

/// The request as a function sees it.
pub(crate) struct Context<'a, 'limits> {
    /// The window that is evaluated at the moment.
    pub(crate) window: Window,
    /// Which share of values aggregates want to be known.
    pub(crate) x_files_factor: f64,
    /// Where days begin.
    pub(crate) zone: &'a TimeZone,
    /// What may still be taken.
    pub(crate) budget: &'a mut Budget<'limits>,
    /// Heights of what is stacked, by the name of the stack.
    pub(crate) stacks: &'a mut HashMap<String, Vec<f64>>,
    /// The table of functions.
    pub(crate) table: fn(&str) -> Option<&'static Function>,
}

impl Context<'_, '_> {
    /// Before so many names become longer by so much each.
    pub(crate) fn take_names(&mut self, count: usize, longer_by: usize) -> Result<(), Error> {
        // A name also is a path expression and a tag.
        let text = count.saturating_mul(longer_by).saturating_mul(2);
        self.budget.take(Held { text, ..Held::default() })
    }
}

/// The first argument of a function that looks at other windows.
pub(crate) trait FirstArgument {
    /// Its series in a window.
    fn series(&mut self, context: &mut Context<'_, '_>, window: Window) -> Result<Vec<TimeSeries>, Stop>;

    /// Whether it is a path: then it has the same series in every window.
    fn is_path(&self) -> bool;
}

/// Why an evaluation does not go on.
#[derive(Debug)]
pub(crate) enum Stop {
    /// It needs series that were not there; they have been noted.
    Wait,
    /// There is no answer.
    Fail(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Fail(error)
    }
}
