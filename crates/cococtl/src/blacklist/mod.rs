//! `cococtl blacklist`: what a regular expression would drop.

mod effect;

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use clap::Args;
use coco_core::blacklist::matches;
use coco_core::text::{from_json, in_json};
use regex::bytes::Regex;
use serde_json::{Value, json};

use crate::api::{self, Client, Root};
use crate::configuration;
use crate::failure::{Failure, Outcome};
use crate::hosts::Names;
use crate::seen;
use crate::text::{self, write_name};

pub use effect::{Effect, Measured, PluginEffect};

/// Plugins that are shown.
const SHOWN: usize = 20;

/// What `--json` makes of it.
const JSON: &str = r#"With --json, one object:

  {"blacklist", "hosts", "metrics", "dropped", "dropped_now", "newly_dropped", "newly_sent",
   "plugins": [{"name", "dropped", "hosts", "example"}], "other_plugins"}

All but plugins and their hosts count metrics, those of each host by themselves. dropped_now and the two behind it are
null without --api: they compare with what Coco drops now. other_plugins: dropped metrics of plugins that are not
listed. example: a name that is dropped."#;

/// Say what a blacklist would drop
///
/// Takes the metrics that running Cocos have seen, or names of standard input, HOST/METRIC a line, as /blacklisted and
/// the log write them. Exit status 1 means that it would drop something that is sent now.
#[derive(Debug, Args)]
#[command(after_long_help = JSON)]
pub struct Arguments {
    /// The configuration that has the blacklist
    #[arg(long, value_name = "FILE", default_value = "coco.conf")]
    config: PathBuf,

    /// Try this regular expression instead
    #[arg(long, value_name = "REGEX", conflicts_with = "config")]
    regex: Option<String>,

    /// Take the metrics that a running Coco has seen, as http://HOST:PORT; may be given several times
    #[arg(long, value_name = "URL")]
    api: Vec<Root>,

    /// Write the names that would be dropped, one a line, instead of counts
    #[arg(long, conflicts_with = "json")]
    list: bool,

    /// Write an object of JSON
    #[arg(long)]
    json: bool,
}

/// Holds every name against the blacklist and says what it drops.
pub fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let regex = match &arguments.regex {
        None => configuration::load(&arguments.config)?.filter.blacklist,
        Some(text) if text.is_empty() => None,
        Some(text) => Some(Regex::new(text).map_err(|problem| Failure::Regex(Box::new(problem)))?),
    };
    let effect = if arguments.api.is_empty() {
        of_names(regex, arguments.list)?
    } else {
        api::runtime()?.block_on(of_processes(regex, &arguments.api, arguments.list))?
    };
    let mut out = BufWriter::new(io::stdout().lock());
    if arguments.json {
        writeln!(out, "{}", object(&effect))?;
    } else if !arguments.list {
        write(&effect, &mut out)?;
    }
    out.flush()?;
    Ok(Outcome::finding(effect.newly_dropped.unwrap_or(0) > 0))
}

/// What a blacklist would do to all that these Cocos have seen.
pub async fn of_processes(regex: Option<Regex>, roots: &[Root], list: bool) -> Result<Effect, Failure> {
    let client = Client::default();
    let mut counting = Counting { effect: Effect::new(regex, roots.len() > 1), list, problem: None };
    for root in roots {
        counting = seen::visit(&client, root, counting).await?;
    }
    match counting.problem {
        Some(problem) => Err(problem.into()),
        None => Ok(counting.effect),
    }
}

fn of_names(regex: Option<Regex>, list: bool) -> Result<Effect, Failure> {
    let mut effect = Effect::new(regex, false);
    let mut out = BufWriter::new(io::stdout().lock());
    let mut names = Names::new(io::stdin().lock());
    let failure = |source| Failure::file("standard input".as_ref(), source);
    while let Some(path) = names.next_name().map_err(failure)? {
        let host = path.split(|&byte| byte == b'/').next().unwrap_or_default().len();
        let is_dropped = effect.regex.as_ref().is_some_and(|regex| matches(regex, path));
        effect.add(path, host, Measured { is_dropped, is_dropped_now: None });
        if is_dropped && list {
            write_name(&mut out, path)?;
            out.write_all(b"\n")?;
        }
    }
    out.flush()?;
    Ok(effect)
}

/// Counts what a process tells, and lists it if asked to.
struct Counting {
    effect: Effect,
    list: bool,
    problem: Option<io::Error>,
}

impl seen::Visit for Counting {
    fn visit(&mut self, host: &str, metric: &str, is_dropped_now: bool) {
        let host = from_json(host);
        let path = [&*host, b"/", &*from_json(metric)].concat();
        let path = path.as_slice();
        let is_dropped = self.effect.regex.as_ref().is_some_and(|regex| matches(regex, path));
        let is_new =
            self.effect.add(path, host.len(), Measured { is_dropped, is_dropped_now: Some(is_dropped_now) });
        if is_new && is_dropped && self.list && self.problem.is_none() {
            // Locked line by line: what is listed is a few names of many.
            let mut out = io::stdout().lock();
            let written = write_name(&mut out, path).and_then(|()| out.write_all(b"\n"));
            self.problem = written.err();
        }
    }
}

fn write(effect: &Effect, out: &mut impl Write) -> io::Result<()> {
    let blacklist = effect.regex.as_ref().map(|regex| text::name(regex.as_str().as_bytes()));
    writeln!(
        out,
        "{} would drop {} of {} metrics of {} hosts",
        blacklist.unwrap_or_else(|| "no blacklist".to_owned()),
        effect.dropped,
        effect.metrics,
        effect.hosts
    )?;
    if let Some((newly_dropped, newly_sent)) = effect.newly_dropped.zip(effect.newly_sent) {
        writeln!(
            out,
            "{newly_dropped} of them are sent now; {newly_sent} others that are dropped now would be sent"
        )?;
    }
    let (plugins, others) = effect.plugins(SHOWN);
    for (name, share) in plugins {
        let example = text::name(&share.example);
        writeln!(
            out,
            "{:>9} of {:>6} hosts  plugin {}, such as {example}",
            share.dropped,
            share.hosts,
            text::name(name)
        )?;
    }
    if others > 0 {
        writeln!(out, "{others:>9} of other plugins")?;
    }
    Ok(())
}

fn object(effect: &Effect) -> Value {
    let (plugins, others) = effect.plugins(SHOWN);
    let plugins = plugins.into_iter().map(|(name, share)| {
        json!({
            "name": in_json(name),
            "dropped": share.dropped,
            "hosts": share.hosts,
            "example": in_json(&share.example),
        })
    });
    json!({
        "blacklist": effect.regex.as_ref().map(Regex::as_str),
        "hosts": effect.hosts,
        "metrics": effect.metrics,
        "dropped": effect.dropped,
        "dropped_now": effect.dropped_now,
        "newly_dropped": effect.newly_dropped,
        "newly_sent": effect.newly_sent,
        "plugins": plugins.collect::<Vec<_>>(),
        "other_plugins": others,
    })
}
