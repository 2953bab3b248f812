//! What a function is: a row of the table, what it is given, and what it may use.

mod arguments;
mod context;
mod validate;
mod value;

pub(crate) use arguments::Arguments;
pub(crate) use context::{Context, FirstArgument, Stop};
pub(crate) use validate::bind;
pub(crate) use value::Value;

use crate::error::Error;
use crate::series::TimeSeries;

/// What a function makes of its arguments.
pub(crate) type Made = Result<Vec<TimeSeries>, Error>;

/// The same of a function that may have to wait for series.
pub(crate) type Awaited = Result<Vec<TimeSeries>, Stop>;

pub(crate) type Plain = fn(&mut Context<'_, '_>, Arguments) -> Made;
pub(crate) type Windowed = fn(&mut Context<'_, '_>, &mut dyn FirstArgument, &Arguments) -> Awaited;

/// A row of the table of functions.
#[derive(Debug)]
pub struct Function {
    /// As it is called.
    pub name: &'static str,
    /// Other names of it.
    pub aliases: &'static [&'static str],
    /// Where editors list it.
    pub group: &'static str,
    /// What it is given.
    pub parameters: &'static [Parameter],
    /// What it does, in a sentence or two.
    pub help: &'static str,
    pub(crate) run: Run,
    /// Whether it looks at its arguments once for each series: what is wrong with them does not matter to no series.
    pub(crate) is_per_series: bool,
}

/// How a function is run.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Run {
    /// Of the series of its arguments others are made.
    Plain(Plain),
    /// It looks at its first argument in other windows, too.
    Windowed(Windowed),
}

/// What a function may be given.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// By which a keyword argument names it.
    pub name: &'static str,
    /// What it has to be.
    pub kind: Kind,
    /// Whether editors insist on it.
    pub required: bool,
    /// Whether any number of arguments may follow; only the last one of a function.
    pub multiple: bool,
    /// What it is if it is missing, as editors show it.
    pub default: Option<&'static str>,
    /// All that it can be, if that can be listed.
    pub options: &'static [&'static str],
}

impl Function {
    pub(crate) const fn plain(
        name: &'static str,
        group: &'static str,
        parameters: &'static [Parameter],
        help: &'static str,
        run: Plain,
    ) -> Self {
        Self { name, aliases: &[], group, parameters, help, run: Run::Plain(run), is_per_series: false }
    }

    pub(crate) const fn windowed(
        name: &'static str,
        group: &'static str,
        parameters: &'static [Parameter],
        help: &'static str,
        run: Windowed,
    ) -> Self {
        Self { name, aliases: &[], group, parameters, help, run: Run::Windowed(run), is_per_series: false }
    }

    pub(crate) const fn per_series(self) -> Self {
        Self { is_per_series: true, ..self }
    }

    pub(crate) const fn also(self, aliases: &'static [&'static str]) -> Self {
        Self { aliases, ..self }
    }
}

impl Parameter {
    pub(crate) const fn required(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, required: true, multiple: false, default: None, options: &[] }
    }

    pub(crate) const fn optional(name: &'static str, kind: Kind) -> Self {
        Self { required: false, ..Self::required(name, kind) }
    }

    pub(crate) const fn with_default(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }

    pub(crate) const fn many(self) -> Self {
        Self { multiple: true, ..self }
    }

    pub(crate) const fn one_of(self, options: &'static [&'static str]) -> Self {
        Self { options, ..self }
    }
}

/// The series that nearly every function is given.
pub(crate) const SERIES: Parameter = Parameter::required("seriesList", Kind::SeriesList);

/// Any number of lists of series.
pub(crate) const SERIES_LISTS: Parameter = Parameter::required("seriesLists", Kind::SeriesList).many();

/// What an argument has to be. The names are those that editors know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Anything.
    Any,
    /// The name of an aggregation.
    AggFunc,
    /// The name of an aggregation, or of a function that makes one series of many.
    AggOrSeriesFunc,
    /// true or false.
    Boolean,
    /// A number.
    Float,
    /// A whole number.
    Integer,
    /// A whole number, or no bound.
    IntOrInf,
    /// A number of rows, or a length of time.
    IntOrInterval,
    /// A length of time.
    Interval,
    /// The number of a node of a name.
    Node,
    /// The number of a node of a name, or the name of a tag.
    NodeOrTag,
    /// Series.
    SeriesList,
    /// Text.
    String,
}

impl Kind {
    /// As editors know it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::AggFunc => "aggFunc",
            Self::AggOrSeriesFunc => "aggOrSeriesFunc",
            Self::Boolean => "boolean",
            Self::Float => "float",
            Self::Integer => "integer",
            Self::IntOrInf => "intOrInf",
            Self::IntOrInterval => "intOrInterval",
            Self::Interval => "interval",
            Self::Node => "node",
            Self::NodeOrTag => "nodeOrTag",
            Self::SeriesList => "seriesList",
            Self::String => "string",
        }
    }
}
