//! `/hosts`: which hosts there are, whether they still report, and who owns them.

use std::io::{self, Write};
use std::sync::Arc;

use coco_core::config::duration;
use coco_core::text::in_json;
use coco_core::tier::{TargetId, Tier, TierId};
use coco_daemon::http::Request;
use hyper::StatusCode;
use serde_json::{Map, Value, json};
use thiserror::Error;

use super::Api;
use crate::plan::{Routing, Rules};
use crate::watch::{Name, Row, Search};

/// The line about `/hosts` in the list of routes at `/`.
pub(super) const SUMMARY: &str = "/hosts?name=&silent_for=5m&tier=&target=&limit=100: hosts by name, when each was last \
     seen, how many metrics it has, and its owners; &exact=true: of all of a name.";

/// Hosts shown where the request sets no limit.
const USUAL: usize = 100;

/// The most hosts shown: a MiB or two.
const MOST: usize = 10_000;

/// A request for hosts.
#[derive(Debug)]
pub(super) struct Question {
    search: Search,
    /// The tier of which owners are shown, if not of all.
    tier: Option<TierId>,
    routing: Arc<Routing>,
}

/// Why a question has no answer.
#[derive(Debug, Error)]
pub(super) enum Wrong {
    #[error("silent_for: {0}")]
    Silence(String),
    #[error("limit is a number up to {MOST}, not {0:?}")]
    Limit(String),
    #[error("exact is true or false, not {0:?}")]
    Exact(String),
    #[error("no tier is called {0:?}; there are {1}")]
    Tier(String, String),
    #[error("no target {1} is called {0:?} (/targets lists them)")]
    Target(String, String),
}

impl Wrong {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Silence(_) | Self::Limit(_) | Self::Exact(_) => StatusCode::BAD_REQUEST,
            Self::Tier(..) | Self::Target(..) => StatusCode::NOT_FOUND,
        }
    }
}

impl Question {
    /// Reads the parameters of a request, with the names of this routing. A parameter without a value is as good as
    /// none.
    pub(super) fn of(request: &Request, routing: &Arc<Routing>) -> Result<Self, Wrong> {
        let parameter = |name: &str| request.parameter(name).filter(|value| !value.is_empty());
        let text = |name: &str| parameter(name).map(|value| String::from_utf8_lossy(&value).into_owned());
        let silence = text("silent_for").map_or(Ok(0), |text| silence(&text))?;
        let limit = text("limit").map_or(Ok(USUAL), |text| {
            text.parse().ok().filter(|limit| *limit <= MOST).ok_or(Wrong::Limit(text))
        })?;
        let is_exact = match text("exact").as_deref() {
            None | Some("false" | "0") => false,
            Some("true" | "1") => true,
            Some(other) => return Err(Wrong::Exact(other.to_owned())),
        };
        let tier = text("tier").map(|name| tier_of(routing, name)).transpose()?;
        let shares = text("target").map(|target| shares_of(routing, tier, target)).transpose()?;
        let name = parameter("name").map(if is_exact { Name::Is } else { Name::Holding });
        let search = Search { name, silence, shares, limit };
        Ok(Self { search, tier, routing: Arc::clone(routing) })
    }
}

/// Seconds, a whole one at least: nothing is remembered by less.
fn silence(text: &str) -> Result<u32, Wrong> {
    let duration = duration::parse(text).map_err(|problem| Wrong::Silence(problem.to_string()))?;
    Ok(u32::try_from(duration.as_millis().div_ceil(1000)).unwrap_or(u32::MAX))
}

fn tier_of(routing: &Routing, name: String) -> Result<TierId, Wrong> {
    let known = routing.tiers.numbered().find(|(_, tier)| tier.name() == name);
    known.map(|(id, _)| id).ok_or_else(|| {
        let names: Vec<_> = routing.tiers.iter().map(Tier::name).collect();
        Wrong::Tier(name, names.join(", "))
    })
}

/// The shares of a target: of this tier, or of all that have one of this name.
fn shares_of(routing: &Routing, tier: Option<TierId>, target: String) -> Result<Box<[bool]>, Wrong> {
    let Routing { tiers, partitions, outlets, .. } = routing;
    let mut is_its = vec![false; outlets.iter().len()];
    for (id, one) in tiers.numbered().filter(|(id, _)| tier.is_none_or(|tier| tier == *id)) {
        for (place, known) in one.targets().iter().enumerate() {
            is_its[outlets.id(id, TargetId::new(place)).number()] =
                known.name == target || known.label() == target;
        }
    }
    if !is_its.contains(&true) {
        let of = tier.map(|tier| &tiers[tier]);
        return Err(Wrong::Target(
            target,
            of.map_or("of any tier".to_owned(), |tier| format!("of {}", tier.name())),
        ));
    }
    Ok(partitions
        .shares()
        .map(|share| partitions.outlets(share).iter().any(|outlet| is_its[outlet.number()]))
        .collect())
}

/// `{"hosts": [...], "total": n}`, by name.
pub(super) fn write(api: &Api, question: &Question, out: &mut dyn Write) -> io::Result<()> {
    let Question { search, tier, routing } = question;
    let found = search.find(&api.lanes, Rules::new(Arc::clone(routing)), (api.clock)());
    out.write_all(b"{\"hosts\":[")?;
    for (place, row) in found.rows.iter().enumerate() {
        if place > 0 {
            out.write_all(b",")?;
        }
        serde_json::to_writer(&mut *out, &shown(routing, *tier, row))?;
    }
    write!(out, "],\"total\":{}}}", found.total)
}

fn shown(routing: &Routing, only: Option<TierId>, row: &Row) -> Value {
    let owners = |id: TierId, tier: &Tier| -> Value {
        let targets = routing.partitions.targets(routing.partitions.of_tier(id), &row.shares);
        targets.map(|target| tier.target(target).name.as_str()).collect()
    };
    let tiers = routing.tiers.numbered().filter(|(id, _)| only.is_none_or(|only| only == *id));
    let owners: Map<_, _> = tiers.map(|(id, tier)| (tier.name().to_owned(), owners(id, tier))).collect();
    json!({
        "name": in_json(&row.name), "last_seen": row.seen, "metrics": row.sent, "dropped": row.rejected,
        "owners": owners,
    })
}
