//! Answers as clients want them.

mod csv;
mod found;
mod json;
mod msgpack;
mod pickle;
mod points;
mod raw;

pub use found::{FindFormat, Found};

use std::io::{self, Write};

use jiff::tz::TimeZone;

use crate::error::Error;
use crate::series::TimeSeries;
use points::Points;

/// How an answer is written.
///
/// ```
/// use graphite::{Format, Options, TimeSeries};
///
/// let format = Format::named(None, None).unwrap();
/// assert_eq!(format.content_type(), "application/json");
///
/// let load = TimeSeries::new("a.load", 10, 10, vec![0.5, f64::NAN]);
/// let series = [load];
/// let answer = format.answer(&series, &Options::default()).unwrap();
/// assert_eq!(
///     String::from_utf8(answer.to_bytes()).unwrap(),
///     r#"[{"target":"a.load","tags":{"name":"a.load"},"datapoints":[[0.5,10],[null,20]]}]"#
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// Objects with `target`, `tags` and `datapoints`, at most `maxDataPoints` of them.
    Json,
    /// The same as the argument of a JavaScript function.
    Jsonp(String),
    /// `name,start,end,step|value,value`
    Raw,
    /// `name,date,value`
    Csv,
    /// What graphite-web asks its cluster servers for.
    Pickle,
    /// The same in another notation.
    Msgpack,
}

/// What else a client may say about the answer.
#[derive(Debug, Clone)]
pub struct Options {
    /// JSON has at most so many values of each series. 0 is no bound.
    pub max_data_points: Option<usize>,
    /// JSON has no unknown values, nor series of which nothing is known.
    pub no_null_points: bool,
    /// By which dates are written.
    pub zone: TimeZone,
}

impl Default for Options {
    fn default() -> Self {
        Self { max_data_points: None, no_null_points: false, zone: TimeZone::UTC }
    }
}

impl Format {
    /// By the request's `format`, JSON if there is none, and its `jsonp`.
    pub fn named(name: Option<&str>, callback: Option<&str>) -> Result<Self, Error> {
        Ok(match (name.unwrap_or("json"), callback) {
            ("json", None) => Self::Json,
            ("json", Some(callback)) => {
                let is_name =
                    |character: char| character.is_ascii_alphanumeric() || "_$.".contains(character);
                if callback.is_empty() || callback.len() > 100 || !callback.chars().all(is_name) {
                    return Err(Error::Callback);
                }
                Self::Jsonp(callback.to_owned())
            }
            ("raw", _) => Self::Raw,
            ("csv", _) => Self::Csv,
            ("pickle", _) => Self::Pickle,
            ("msgpack", _) => Self::Msgpack,
            (other, _) => return Err(Error::Format(other.chars().take(20).collect())),
        })
    }

    /// For the header of the answer.
    pub fn content_type(&self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Jsonp(_) => "text/javascript",
            Self::Raw => "text/plain",
            Self::Csv => "text/csv",
            Self::Pickle => "application/pickle",
            Self::Msgpack => "application/x-msgpack",
        }
    }

    /// The answer, which only has to be written.
    pub fn answer<'a>(&self, all: &'a [TimeSeries], options: &Options) -> Result<Answer<'a>, Error> {
        let points = match self {
            Self::Json | Self::Jsonp(_) => points::consolidated(all, options)?,
            _ => Vec::new(),
        };
        Ok(Answer { format: self.clone(), options: options.clone(), all, points })
    }
}

/// An answer that nothing is wrong with. It is made as it is written, so that it takes no memory to speak of.
#[derive(Debug)]
pub struct Answer<'a> {
    format: Format,
    options: Options,
    all: &'a [TimeSeries],
    points: Vec<Points<'a>>,
}

impl Answer<'_> {
    /// Writes all of it. It comes in small pieces, so that a file or a connection wants a buffer.
    ///
    /// # Errors
    ///
    /// What `to` says when it does not take more.
    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        match &self.format {
            Format::Json => json::write(&self.points, &self.options, to),
            Format::Jsonp(callback) => {
                write!(to, "{callback}(")?;
                json::write(&self.points, &self.options, to)?;
                to.write_all(b")")
            }
            Format::Raw => raw::write(self.all, to),
            Format::Csv => csv::write(self.all, &self.options.zone, to),
            Format::Pickle => pickle::write(self.all, to),
            Format::Msgpack => msgpack::write(self.all, to),
        }
    }

    /// As bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // A vector takes all that memory does.
        let _ = self.write(&mut bytes);
        bytes
    }
}
