//! A request: from the texts of its targets to their series.

use std::collections::HashMap;

use jiff::tz::TimeZone;

use super::store::{Fetch, Missing, Room, Store};
use super::walk::Walk;
use crate::error::Error;
use crate::expression::Target;
use crate::function::{Context, Stop, Value};
use crate::functions::function;
use crate::limits::{Budget, Held, Limits, Spent};
use crate::series::{TimeSeries, held};
use crate::time::Window;

/// What a client asks for.
#[derive(Debug, Clone)]
pub struct Request {
    /// Texts of the targets.
    pub targets: Vec<String>,
    /// When.
    pub window: Window,
    /// Where days begin.
    pub zone: TimeZone,
    /// Which share of values aggregates want to be known.
    pub x_files_factor: f64,
    /// Names for `template`, and what stands for them.
    pub names: Vec<(String, String)>,
}

impl Request {
    /// For these targets in this window; the rest as it is for clients that say nothing of it.
    pub fn new<T: Into<String>>(targets: impl IntoIterator<Item = T>, window: Window) -> Self {
        Self {
            targets: targets.into_iter().map(Into::into).collect(),
            window,
            zone: TimeZone::UTC,
            x_files_factor: 0.0,
            names: Vec::new(),
        }
    }
}

/// How far an evaluation has come.
#[derive(Debug)]
pub enum Progress {
    /// It needs these series first; see [`Evaluation::supply`].
    Fetch(Vec<Fetch>),
    /// The series of all targets, in their order.
    Done(Vec<TimeSeries>),
}

/// Targets on their way to series.
///
/// What is needed is not known at once: how far back a moving average of 5 rows looks depends on the step of its series.
/// So [`advance`](Self::advance) says what to fetch, several times if need be, until it has the answer.
///
/// ```
/// use graphite::{Evaluation, Limits, Progress, Request, TimeSeries, Window};
///
/// let window = Window { from: 1_795_289_400, until: 1_795_289_430 };
/// let request = Request::new(["alias(movingAverage(a.load, '20s'), 'smooth')"], window);
/// let limits = Limits::default();
/// let mut evaluation = Evaluation::new(request, &limits)?;
/// let series = loop {
///     match evaluation.advance()? {
///         Progress::Done(series) => break series,
///         Progress::Fetch(fetches) => {
///             for fetch in fetches {
///                 assert_eq!(fetch.window.from, 1_795_289_380);
///                 let found = TimeSeries::new("a.load", 1_795_289_390, 10, vec![1.0, 2.0, 3.0, 4.0, 5.0]);
///                 evaluation.supply(fetch, vec![found])?;
///             }
///         }
///     }
/// };
/// assert_eq!((series[0].name.as_str(), series[0].start), ("smooth", 1_795_289_410));
/// assert_eq!(series[0].values(), [2.5, 3.5, 4.5]);
/// # Ok::<(), graphite::Error>(())
/// ```
#[derive(Debug)]
pub struct Evaluation {
    request: Request,
    targets: Vec<Target>,
    limits: Limits,
    store: Store,
    spent: Spent,
}

impl Evaluation {
    /// Reads the targets.
    pub fn new(request: Request, limits: &Limits) -> Result<Self, Error> {
        let bytes = request.targets.iter().map(String::len).fold(0, usize::saturating_add);
        if bytes > limits.expression_bytes {
            return Err(Error::limit("bytes of targets", limits.expression_bytes));
        }
        let targets: Result<_, _> = request.targets.iter().map(|text| Target::parse(text, limits)).collect();
        Ok(Self {
            targets: targets?,
            request,
            limits: limits.clone(),
            store: Store::default(),
            spent: Spent::default(),
        })
    }

    /// How much may still be supplied.
    pub fn room(&self) -> Room {
        self.store.room(&self.limits)
    }

    /// What a fetch has found, in any order; nothing, if there is nothing. Of several series of one name, that which is
    /// known best is taken.
    pub fn supply(&mut self, fetch: Fetch, found: Vec<TimeSeries>) -> Result<(), Error> {
        self.store.keep(fetch, found, &self.limits)
    }

    /// Goes on with what has been supplied.
    pub fn advance(&mut self) -> Result<Progress, Error> {
        self.advance_within(&self.limits.clone())
    }

    /// The same, within other limits for what this step holds. Who has lent memory for less than all goes on with more
    /// after [`Error::Limit`]: what has been supplied is there still.
    pub fn advance_within(&mut self, limits: &Limits) -> Result<Progress, Error> {
        let (mut budget, mut stacks, mut missing) =
            (Budget::new(limits, self.spent), HashMap::new(), Missing::default());
        let mut context = Context {
            window: self.request.window,
            x_files_factor: self.request.x_files_factor,
            zone: &self.request.zone,
            budget: &mut budget,
            stacks: &mut stacks,
            table: function,
        };
        let mut walk = Walk { store: &self.store, missing: &mut missing, names: &self.request.names };
        let (mut all, mut waits) = (Vec::new(), false);
        for target in &self.targets {
            match series_of(&mut walk, &mut context, target) {
                Ok(series) => all.extend(series),
                Err(Stop::Wait) => waits = true,
                Err(Stop::Fail(error)) => return Err(error),
            }
            if waits {
                // The answer is far: nothing is kept for it yet.
                all.clear();
                context.budget.back_to(Held::default());
            }
        }
        self.spent = budget.spent();
        if waits { Ok(Progress::Fetch(missing.into_fetches())) } else { Ok(Progress::Done(all)) }
    }
}

fn series_of(
    walk: &mut Walk<'_>,
    context: &mut Context<'_, '_>,
    target: &Target,
) -> Result<Vec<TimeSeries>, Stop> {
    let Some(expression) = &target.expression else { return Ok(Vec::new()) };
    let before = context.budget.held();
    let Value::Series(series) = walk.value(context, expression, &[])? else {
        return Err(Error::NoSeries.into());
    };
    context.budget.back_to(before);
    context.budget.take(held(&series))?;
    match &target.rest {
        // Where Graphite finds nothing in what it could read, the rest was meant to be read, too.
        Some(error) if series.is_empty() => Err(error.clone().into()),
        _ => Ok(series),
    }
}
