//! How much one request may take, and what it has taken.

use crate::error::Error;

/// What bounds a request. Everything is checked before memory is taken.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of all targets together, and of one after `template` has filled it in.
    pub expression_bytes: usize,
    /// How deep calls may be nested; pipes count.
    pub depth: usize,
    /// Calls that are evaluated. Functions that look at another window evaluate their argument once more, and what has to
    /// wait for series is evaluated again.
    pub calls: usize,
    /// Different (pattern, window) that are asked for.
    pub fetches: usize,
    /// Seconds of one fetch.
    pub window: i64,
    /// Series that were fetched, and series that one step of the evaluation holds.
    pub series: usize,
    /// Values that were fetched, and values that one step of the evaluation holds.
    pub points: usize,
    /// Values that are looked at, times the rows of the window where a function has to look at all of them; names and
    /// regular expressions count as many.
    pub work: usize,
    /// Bytes of one name; functions wrap names in names.
    pub name_bytes: usize,
    /// Bytes of all names that one step of the evaluation holds.
    pub text_bytes: usize,
    /// Bytes of a regular expression or a glob as it is written.
    pub pattern_bytes: usize,
    /// Bytes of a compiled regular expression.
    pub regex_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            expression_bytes: 256 << 10,
            depth: 64,
            calls: 20_000,
            fetches: 2_000,
            window: 6 * 366 * 86_400,
            series: 20_000,
            points: 20_000_000,
            work: 2_000_000_000,
            name_bytes: 4 << 20,
            text_bytes: 64 << 20,
            pattern_bytes: 4 << 10,
            regex_bytes: 1 << 20,
        }
    }
}

/// What an evaluation holds at the moment, and what it has done.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Held {
    pub(crate) series: usize,
    pub(crate) points: usize,
    pub(crate) text: usize,
}

/// Limits and what is taken of them.
#[derive(Debug)]
pub(crate) struct Budget<'a> {
    pub(crate) limits: &'a Limits,
    held: Held,
    spent: Spent,
}

/// What has been done for a request. It is not given back, however often the evaluation begins anew.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Spent {
    work: usize,
    calls: usize,
}

impl<'a> Budget<'a> {
    pub(crate) fn new(limits: &'a Limits, spent: Spent) -> Self {
        Self { limits, held: Held::default(), spent }
    }

    pub(crate) fn spent(&self) -> Spent {
        self.spent
    }

    pub(crate) fn held(&self) -> Held {
        self.held
    }

    /// What has been taken since then is given back.
    pub(crate) fn back_to(&mut self, held: Held) {
        self.held = held;
    }

    /// One more call.
    pub(crate) fn call(&mut self) -> Result<(), Error> {
        self.spent.calls += 1;
        if self.spent.calls > self.limits.calls {
            return Err(Error::limit("calls", self.limits.calls));
        }
        Ok(())
    }

    /// Before so many series with so many values and bytes of names are made.
    pub(crate) fn take(&mut self, more: Held) -> Result<(), Error> {
        let limits = self.limits;
        for (held, more, what, limit) in [
            (&mut self.held.series, more.series, "series", limits.series),
            (&mut self.held.points, more.points, "points", limits.points),
            (&mut self.held.text, more.text, "bytes of names", limits.text_bytes),
        ] {
            *held = held.saturating_add(more);
            if *held > limit {
                return Err(Error::limit(what, limit));
            }
        }
        Ok(())
    }

    /// Before so many values are made.
    pub(crate) fn take_points(&mut self, points: usize) -> Result<(), Error> {
        self.take(Held { points, ..Held::default() })
    }

    /// Before a regular expression is compiled, which takes some milliseconds if it was made to.
    pub(crate) fn compile(&mut self) -> Result<(), Error> {
        self.work(4_000_000)
    }

    /// Before so many series are looked up and copied, for which their names count more than their values.
    pub(crate) fn look_up(&mut self, series: usize) -> Result<(), Error> {
        self.work(series.saturating_mul(200))
    }

    /// Before so many values are looked at.
    pub(crate) fn work(&mut self, steps: usize) -> Result<(), Error> {
        self.spent.work = self.spent.work.saturating_add(steps);
        if self.spent.work > self.limits.work {
            return Err(Error::limit("steps of work", self.limits.work));
        }
        Ok(())
    }
}
