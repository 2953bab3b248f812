//! What an operator can ask of a check.

use std::ffi::OsString;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, Command, CommandFactory, FromArgMatches, Parser};
use coco_core::address::{Address, AddressError};
use coco_core::config::duration;

use crate::output::Output;
use crate::question::{Check, Limits, Request, Series};

/// Has the rate changed at which Coco sends to a target?
///
/// Compares the two halves of a time window: CRITICAL when the rate changed in between, by all three limits.
/// The rates are Coco's own counters, as collectd stores them (etc/collectd/coco.conf).
#[derive(Debug, Parser)]
#[command(name = "anomalous_coco_send", version)]
struct Send {
    /// The storage node: a host, or a host and its port, written as in `targets` of coco.conf; `total` for all
    /// together
    #[arg(long, value_parser = is_name)]
    target: String,
    /// The target's port, where --target has none
    #[arg(long, default_value_t = 25826)]
    port: u16,
    #[command(flatten)]
    common: Common,
}

/// Has the rate of Coco's errors changed?
///
/// Compares the two halves of a time window: CRITICAL when the rate changed in between, by all three limits.
/// The rates are Coco's own counters, as collectd stores them (etc/collectd/coco.conf).
#[derive(Debug, Parser)]
#[command(name = "anomalous_coco_errors", version)]
struct Errors {
    /// One kind of errors, such as send-write: what stands behind `operations-errors-` in the name that collectd
    /// gives it. Without this, the sum of all errors
    #[arg(long, value_parser = is_name)]
    error: Option<String>,
    #[command(flatten)]
    common: Common,
}

/// What both take.
#[derive(Debug, Args)]
struct Common {
    /// The host that Coco runs on, by the name that collectd has for it
    #[arg(short = 'H', long, value_parser = is_name)]
    host: String,
    /// Noodle or Visage, HOST:PORT
    #[arg(long, default_value = "127.0.0.1:9080", value_parser = endpoint)]
    endpoint: Address,
    /// The time to look back at: 20 points at least, of which collectd writes one every 10 seconds unless it is
    /// configured otherwise, and longer than what it keeps back (`CacheTimeout`)
    #[arg(long, default_value = "10m", value_name = "DURATION", value_parser = time)]
    window: Duration,
    /// How far the distributions of both halves may be apart: the statistic D of the Kolmogorov-Smirnov test, from
    /// 0 (none) to 1 (no value of one half is in the range of the other)
    #[arg(long, default_value = "0.5", value_name = "D", value_parser = maximum_deviation)]
    maximum_deviation: f64,
    /// How improbable that must be for halves of one distribution (the p-value of the test), from 0 to 1
    #[arg(long, default_value = "0.01", value_name = "P", value_parser = share)]
    significance: f64,
    /// How much the mean must change, in percent of that of the first half
    #[arg(long, default_value = "5", value_name = "PERCENT", value_parser = percent)]
    minimum_change: f64,
    /// The Instance under which collectd's curl_json stores Coco's counters
    #[arg(long, default_value = "coco", value_parser = is_name)]
    plugin_instance: String,
    /// The longest time that the check may take
    #[arg(short = 't', long, default_value = "10s", value_name = "DURATION", value_parser = time)]
    timeout: Duration,
    /// Say more, and draw both halves if this is a terminal
    #[arg(long)]
    debug: bool,
}

impl Check {
    /// The arguments that it takes.
    #[must_use]
    pub fn command(self) -> Command {
        match self {
            Self::Send => Send::command(),
            Self::Errors => Errors::command(),
        }
    }

    /// Reads arguments. What can't be read, and questions for help or the version, are an output in themselves.
    pub fn parse(self, arguments: impl IntoIterator<Item = OsString>) -> Result<Request, Output> {
        let matches = self.command().try_get_matches_from(arguments);
        let request = matches.and_then(|matches| match self {
            Self::Send => Ok(Send::from_arg_matches(&matches)?.request()),
            Self::Errors => Ok(Errors::from_arg_matches(&matches)?.request()),
        });
        let request = request.map_err(|error| match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Output::answer(&error.to_string()),
            _ => Output::wrong_usage(self, &error.to_string()),
        })?;
        request.map_err(|problem| Output::unknown(self, &problem))
    }
}

impl Send {
    fn request(self) -> Result<Request, String> {
        let target = match self.target.as_str() {
            "total" => "total".to_owned(),
            target => {
                with_port(target, self.port).map_err(|problem| format!("--target {target}: {problem}"))?
            }
        };
        Ok(self.common.request(&target, Series::One(format!("operations-send-{target}"))))
    }
}

impl Errors {
    fn request(self) -> Result<Request, String> {
        let series = |name: &str| format!("operations-errors-{name}");
        Ok(match &self.error {
            Some(name) => self.common.request(name, Series::One(series(name))),
            None => self.common.request("all errors", Series::Sum(series(""))),
        })
    }
}

impl Common {
    fn request(self, what: &str, series: Series) -> Request {
        Request {
            subject: format!("{what} of {}", self.host),
            plugin: format!("curl_json-{}", self.plugin_instance),
            host: self.host,
            series,
            endpoint: self.endpoint,
            window: self.window,
            timeout: self.timeout,
            limits: Limits {
                maximum_deviation: self.maximum_deviation,
                significance: self.significance,
                minimum_change: self.minimum_change / 100.0,
            },
            debug: self.debug,
        }
    }
}

/// A target in the form of Coco's counters: as it is written in `targets`, which need not be the canonical form.
fn with_port(target: &str, port: u16) -> Result<String, AddressError> {
    let with_port = match target {
        ipv6 if ipv6.parse::<std::net::Ipv6Addr>().is_ok() => format!("[{ipv6}]:{port}"),
        host if !host.contains(':') || host.ends_with(']') => format!("{host}:{port}"),
        address => address.to_owned(),
    };
    with_port.parse::<Address>()?;
    Ok(with_port)
}

/// What can stand for a part of a path: not empty, no way to another directory.
fn is_name(text: &str) -> Result<String, &'static str> {
    match text {
        "" => Err("it is empty"),
        "." | ".." => Err("not a name"),
        text if text.contains(|c: char| c == '/' || c.is_control()) => Err("not a name"),
        text => Ok(text.to_owned()),
    }
}

fn endpoint(text: &str) -> Result<Address, String> {
    let text = text.strip_prefix("http://").unwrap_or(text);
    match text.strip_suffix('/').unwrap_or(text).parse::<Address>() {
        Ok(address) if address.is_all() => Err("it has no host".to_owned()),
        Ok(address) => Ok(address),
        Err(problem) => Err(problem.to_string()),
    }
}

/// A duration as Go writes it, or a whole number of seconds, as of other plugins.
fn time(text: &str) -> Result<Duration, String> {
    let time = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => duration::parse(text).map_err(|problem| problem.to_string())?,
    };
    if time.is_zero() { Err("it is no time at all".to_owned()) } else { Ok(time) }
}

fn maximum_deviation(text: &str) -> Result<f64, String> {
    match number(text)? {
        above if above > 1.0 => {
            Err("this limit is from 0 to 1, the statistic D of the Kolmogorov-Smirnov test; the \
             checks of Coco 1 took a number like 10, which was no such statistic. Leave it out to have 0.5"
                .to_owned())
        }
        deviation => Ok(deviation),
    }
}

fn share(text: &str) -> Result<f64, String> {
    Some(number(text)?).filter(|share| *share <= 1.0).ok_or_else(|| "above 1".to_owned())
}

fn percent(text: &str) -> Result<f64, String> {
    number(text.strip_suffix('%').unwrap_or(text))
}

/// A number that is not below 0.
fn number(text: &str) -> Result<f64, String> {
    let number = text.trim().parse().map_err(|_| "not a number".to_owned())?;
    if (0.0..f64::INFINITY).contains(&number) { Ok(number) } else { Err("below 0, or endless".to_owned()) }
}
