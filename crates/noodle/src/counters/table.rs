//! Everything that Noodle counts: one table of names, from which the manual is made.

use coco_core::config::Program;
use coco_daemon::counters::{Definition, View};
use coco_daemon::http::refusals;
use coco_daemon::logging;
use coco_daemon::lookup::{HASH_GET, LOOKUP};
use coco_daemon::reload;

/// Bytes passed on.
pub static BYTES_PROXIED: Definition = Definition::counter(
    &["noodle", "fetch.bytes.proxied"],
    "Number of bytes proxied from targets to Noodle clients.",
);
/// Requests sent.
pub static TARGET_REQUESTS: Definition = Definition::counter(
    &["noodle", "fetch.target.requests", "{target}"],
    "Number of requests proxied to a target.",
);
/// The sum of them.
pub static TARGET_REQUESTS_TOTAL: Definition = Definition::counter(
    &["noodle", "fetch.target.requests", "total"],
    "Number of requests proxied to all targets.",
)
.only(View::Json);
/// Answers given.
pub static RESPONSE_CODES: Definition = Definition::counter(
    &["noodle", "fetch.target.response.codes", "{code}"],
    "Number of responses served to Noodle clients with a specific status code, below `/data`.",
);
/// Answers of targets that were used.
pub static TIER_REQUESTS: Definition = Definition::counter(
    &["noodle", "fetch.tier.requests", "{tier}"],
    "Number of responses routed and proxied from a tier.",
);
/// How long targets take.
pub static TIER_LATENCY: Definition = Definition::histogram(
    &["noodle", "fetch.tier.latency_seconds", "{tier}"],
    "Time from asking a target of a tier until its answer is complete or has failed, in seconds.",
);
/// Failures by reason.
pub static FAILURES: Definition = Definition::counter(
    &["noodle", "fetch.target.failures", "{target}", "{reason}"],
    "Requests to a target that failed, by reason.",
);
/// How targets are.
pub static TARGET_STATE: Definition = Definition::gauge(
    &["noodle", "fetch.target.state", "{target}", "{state}"],
    "1 for the state that a target is in, 0 for the others.",
);
/// Answers with a share missing.
pub static PARTIAL: Definition = Definition::counter(
    &["noodle", "fetch.partial"],
    "Joined answers that lack the share of a target because no tier had it.",
);
/// Bytes that were used, by tier.
pub static TIER_BYTES: Definition = Definition::counter(
    &["noodle", "fetch.tier.bytes", "{tier}"],
    "Bytes of answers from a tier: of JSON as it came, of rows 8 for each value.",
);
/// Values of rows.
pub static TIER_ROWS: Definition = Definition::counter(
    &["noodle", "fetch.tier.rows", "{tier}"],
    "Rows from rrdcached targets of a tier, known or not, of each data source.",
);
/// Rows joined.
pub static TIER_JOINED: Definition = Definition::counter(
    &["noodle", "fetch.tier.joined", "{tier}"],
    "Hosts whose rows from earlier targets were joined with those of a tier.",
);
/// Rows that a later target knew.
pub static TIER_FILLED: Definition = Definition::counter(
    &["noodle", "fetch.tier.filled", "{tier}"],
    "Rows that were unknown to earlier targets and known to one of a tier.",
);
/// Rows that were not moved.
pub static TIER_LEFT_BEHIND: Definition = Definition::counter(
    &["noodle", "fetch.tier.left_behind", "{tier}"],
    "Rows that only former owners of a tier had, of hosts that have moved to others: 0 for as long as rows are kept says that all of them have moved.",
);
/// How old lists of hosts are.
pub static TIER_TREE_AGE: Definition = Definition::gauge(
    &["noodle", "fetch.tier.tree_age", "{tier}"],
    "Seconds since the oldest remembered list of hosts of an rrdcached of a tier was asked for.",
);
/// Answers to Graphite's clients.
pub static GRAPHITE_CODES: Definition = Definition::counter(
    &["noodle", "graphite.response.codes", "{code}"],
    "Number of responses to clients of Graphite's API, by status code.",
);
/// Those with a share missing.
pub static GRAPHITE_PARTIAL: Definition = Definition::counter(
    &["noodle", "graphite.partial"],
    "Answers to clients of Graphite's API that may lack something of a target that failed.",
);
/// What was read for them.
pub static GRAPHITE_POINTS: Definition = Definition::counter(
    &["noodle", "graphite.points"],
    "Values that were read from targets for clients of Graphite's API.",
);
/// Who does not know which rows are rates.
pub static TIER_LEFT_OUT: Definition = Definition::counter(
    &["noodle", "fetch.tier.left_out", "{tier}"],
    "Questions of remote read that targets of a tier were not asked, because they are Visages.",
);
/// Answers to Prometheus.
pub static READ_CODES: Definition = Definition::counter(
    &["noodle", "remote_read.response.codes", "{code}"],
    "Number of responses to remote read, by status code.",
);
/// Those with a share missing.
pub static READ_PARTIAL: Definition = Definition::counter(
    &["noodle", "remote_read.partial"],
    "Answers to remote read that may lack something of a target that failed.",
);
/// What was sent.
pub static READ_SAMPLES: Definition =
    Definition::counter(&["noodle", "remote_read.samples"], "Samples in answers to remote read.");
/// Memory lent.
pub static MEMORY: Definition = Definition::gauge(
    &["noodle", "fetch.memory"],
    "Memory of requests to targets and of answers on their way to clients, in bytes.",
);

/// The definition of each [`ErrorCount`](crate::failure::ErrorCount), in their order, and of what no longer happens.
pub static ERRORS: [Definition; 5] = [
    Definition::counter(
        &["noodle", "errors", "fetch.con.get"],
        "Unsuccessful hash lookups: the host part of a path is no host, or too many.",
    ),
    Definition::counter(
        &["noodle", "errors", "fetch.http.get"],
        "Unsuccessful HTTP GET requests to a target: refused, reset, no answer in time, or a status other than 200 and 404.",
    ),
    Definition::counter(
        &["noodle", "errors", "fetch.ioutil.readall"],
        "Unsuccessful reads of a response from a target: broken off, stalled, or larger than `fetch.max_body`.",
    ),
    Definition::counter(
        &["noodle", "errors", "fetch.json.unmarshal"],
        "Responses of a target with status 200 that are not a JSON object, or are about another host.",
    ),
    Definition::counter(
        &["noodle", "errors", "fetch.json.marshal"],
        "Unsuccessful marshalings of JSON for a response to a Noodle client. Stays 0: nothing is marshaled any more. It is kept for dashboards.",
    ),
];

/// The whole table, in the order in which the manual shows it. What Noodle shares with coco is in it.
pub fn definitions() -> impl Iterator<Item = &'static Definition> {
    let fetched = [
        &TIER_REQUESTS,
        &TIER_LATENCY,
        &TARGET_REQUESTS,
        &TARGET_REQUESTS_TOTAL,
        &RESPONSE_CODES,
        &FAILURES,
        &TARGET_STATE,
        &TIER_BYTES,
        &TIER_ROWS,
        &TIER_JOINED,
        &TIER_FILLED,
        &TIER_LEFT_BEHIND,
        &TIER_LEFT_OUT,
        &TIER_TREE_AGE,
        &PARTIAL,
        &BYTES_PROXIED,
        &MEMORY,
        &GRAPHITE_CODES,
        &GRAPHITE_PARTIAL,
        &GRAPHITE_POINTS,
        &READ_CODES,
        &READ_PARTIAL,
        &READ_SAMPLES,
    ];
    fetched
        .into_iter()
        .chain(&ERRORS)
        .chain([&LOOKUP, &HASH_GET])
        .chain(reload::definitions(Program::Noodle))
        .chain([logging::definition(Program::Noodle), refusals::definition(Program::Noodle)])
}
