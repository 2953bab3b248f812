//! Answers as clients want them.

mod csv;
mod json;
mod msgpack;
mod pickle;
mod points;
mod raw;

use crate::error::Error;
use crate::series::TimeSeries;
use jiff::tz::TimeZone;

/// How an answer is written.
///
/// ```
/// use graphite::{Format, Options, TimeSeries};
///
/// let format = Format::named(None, None).unwrap();
/// assert_eq!(format.content_type(), "application/json");
///
/// let load = TimeSeries::new("a.load", 10, 10, vec![0.5, f64::NAN]);
/// let mut answer = Vec::new();
/// format.write(&[load], &Options::default(), &mut answer).unwrap();
/// assert_eq!(
///     String::from_utf8(answer).unwrap(),
///     r#"[{"target":"a.load","tags":{"name":"a.load"},"datapoints":[[0.5,10],[null,20]]}]"#
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
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
#[derive(Clone, Debug)]
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

    /// Appends the answer.
    pub fn write(&self, all: &[TimeSeries], options: &Options, to: &mut Vec<u8>) -> Result<(), Error> {
        match self {
            Self::Json => {
                let all = points::consolidated(all, options)?;
                json::write(&all, options, to);
            }
            Self::Jsonp(callback) => {
                let all = points::consolidated(all, options)?;
                to.extend_from_slice(callback.as_bytes());
                to.push(b'(');
                json::write(&all, options, to);
                to.push(b')');
            }
            Self::Raw => raw::write(all, to),
            Self::Csv => csv::write(all, &options.zone, to),
            Self::Pickle => pickle::write(all, to),
            Self::Msgpack => msgpack::write(all, to),
        }
        Ok(())
    }
}
