//! Everything that coco counts: one table of names, and the cells that the lanes count in.

mod cells;
pub mod engines;
mod unwelcome;

pub use cells::{LaneCounts, OutletCells, Queue};
pub use unwelcome::Unwelcome;

use coco_core::config::Program;
use coco_core::wire::{ListRefusal, Malformed, NotificationRefusal};
use coco_daemon::counters::{Definition, View};
use coco_daemon::http::refusals;
use coco_daemon::lookup::{HASH_GET, LOOKUP};
use coco_daemon::{logging, reload};

macro_rules! counts {
    ($(#[$doc:meta])* $enum:ident, $(#[$table_doc:meta])* $table:ident {
        $($name:ident = [$($path:literal),+], $help:literal;)+
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $enum { $(#[doc = $help] $name),+ }

        impl $enum {
            /// Every count, in the order of the definitions.
            pub const ALL: &[Self] = &[$(Self::$name),+];
        }

        $(#[$table_doc])*
        pub static $table: &[Definition] = &[$(Definition::counter(&["coco", $($path),+], $help)),+];
    };
}

counts! {
    /// Counts of a lane.
    Count,
    /// The definition of each [`Count`], in their order.
    COUNTS {
        Raw = ["listen", "raw"], "Datagrams received.";
        Decoded = ["listen", "decoded"], "Complete value lists decoded from them.";
        Verified = ["listen", "verified"], "Value lists that came signed or encrypted by a user of `listen.auth_file`.";
        Unverified = ["listen", "unverified"], "Value lists behind a signature that was not checked; they are decoded all the same.";
        UnknownParts = ["listen", "unknown_parts"], "Parts of unknown type, skipped.";
        Notifications = ["listen", "notifications"], "Complete notifications decoded.";
        FetchReceive = ["errors", "fetch.receive"], "Datagrams that hold an error; what stands behind it is refused.";
        Socket = ["errors", "listen.socket"], "Errors of the listening socket itself.";
        Accepted = ["filter", "accepted"], "Value lists to be sent, once to every tier.";
        Rejected = ["filter", "rejected"], "Value lists that the blacklist refuses.";
        RenamedHosts = ["filter", "renamed_hosts"], "Value lists of hosts that collectd stores under another name, as theirs has a slash: sent to the owner of the name that they have.";
        Unremembered = ["filter", "unremembered"], "Value lists of metrics beyond `state.max_memory`, or beyond 16,384 of one host: held against the blacklist each time, and in no table.";
        ListenUnhandled = ["errors", "listen.unhandled"], "Datagrams lost to a panic in Listen, with those that were received together with them.";
        SendUnhandled = ["errors", "send.unhandled"], "Unhandled panics in Send; what was not sent yet counts as `errors.send.write`.";
        Unhandled = ["errors", "filter.unhandled"], "Unhandled panics in Filter; value lists that had no verdict yet are rejected.";
    }
}

counts! {
    /// Counts of a lane for each target of each tier.
    OutletCount,
    /// The definition of each [`OutletCount`], in their order. Labels: tier and target.
    OUTLET_COUNTS {
        Sent = ["send", "{target}"], "Value lists sent to a target.";
        Datagrams = ["send.datagrams", "{target}"], "Datagrams sent to a target.";
        Notifications = ["send.notifications", "{target}"], "Notifications sent to a target.";
        Write = ["errors", "send.write"], "Value lists that the kernel did not take.";
        Disconnected = ["errors", "send.disconnected"], "Value lists for a target whose name does not resolve yet.";
        NotificationsLost = ["errors", "send.notifications"], "Notifications that could not be sent.";
        Refused = ["errors", "send.refused"], "Times that a target's host answered that nothing listens there.";
        Unreachable = ["errors", "send.unreachable"], "Times that a target's host or network could not be reached.";
    }
}

/// Time that value lists spend in Coco.
pub static LATENCY: Definition = Definition::histogram(
    &["coco", "send.latency_seconds"],
    "Time from receiving a batch of datagrams until all of it is sent, in seconds; of a batch that is decoded in rounds, each of them. What `send.linger` holds back is not waited for.",
);
/// Size of batches.
pub static BATCH: Definition =
    Definition::histogram(&["coco", "listen.batch_datagrams"], "Datagrams received together, in a batch.");
/// Datagrams with an error, by its reason.
pub static MALFORMED: Definition = Definition::counter(
    &["coco", "listen", "malformed", "{reason}"],
    "Datagrams that hold an error, by reason.",
);
/// Value lists refused, by reason.
pub static INCOMPLETE: Definition = Definition::counter(
    &["coco", "listen", "incomplete", "{reason}"],
    "Value lists that every collectd would drop, by what they lack; refused.",
);
/// Notifications refused, by reason.
pub static REFUSED_NOTIFICATIONS: Definition = Definition::counter(
    &["coco", "listen", "refused_notifications", "{reason}"],
    "Notifications that nobody owns, that every collectd would ignore, or that no sender would make, by reason; refused.",
);
/// Datagrams that nothing is wrong with, but for whom they come from.
pub static REFUSED: Definition = Definition::counter(
    &["coco", "listen", "refused", "{reason}"],
    "Datagrams refused, wholly or in part, for where they come from or how they are secured, by reason.",
);
/// Datagrams that the kernel dropped.
pub static KERNEL_DROPS: Definition = Definition::counter(
    &["coco", "listen", "kernel_drops"],
    "Datagrams that the kernel dropped because the receive buffer was full.",
);
/// Size of the receive buffer.
pub static RECEIVE_BUFFER: Definition = Definition::gauge(
    &["coco", "listen", "receive_buffer_bytes"],
    "Size of the receive buffer of each lane, in bytes as the kernel counts: twice what it was asked for, which is no more than `listen.receive_buffer`.",
);
/// The taken part of the receive buffer.
pub static RECEIVE_BUFFER_USED: Definition = Definition::gauge(
    &["coco", "listen", "receive_buffer_used_bytes"],
    "What waits in the receive buffer of that lane where most does, in bytes as the kernel counts. It drops what comes beyond `listen.receive_buffer_bytes`.",
);
/// Time without datagrams.
pub static LAST_DATAGRAM_AGE: Definition = Definition::gauge(
    &["coco", "listen", "last_datagram_age"],
    "Seconds since a datagram came last, or since the start.",
)
.only(View::Prometheus);
/// Further copies sent within a tier.
pub static COPIES: Definition = Definition::counter(
    &["coco", "send.copies", "{tier}"],
    "Value lists for further targets of a tier, beyond the first of their host: `filter.accepted` and these are what the tier was sent or has lost.",
);
/// Value lists for owners of their hosts.
pub static TO_OWNERS: Definition = Definition::counter(
    &["coco", "send.owners", "{tier}"],
    "Value lists for targets of a tier that own their host or, while it moves, will own it: with `send.former` all that the tier was sent or has lost.",
);
/// Value lists for targets that hosts leave.
pub static TO_FORMER: Definition = Definition::counter(
    &["coco", "send.former", "{tier}"],
    "Value lists for targets of a tier that own their host no longer once it has moved; 0 without `[tiers.NAME.migration]`. It stands still once `new` is 100 % everywhere.",
);
/// Value lists sent to all targets.
pub static SEND_TOTAL: Definition =
    Definition::counter(&["coco", "send", "total"], "Value lists sent to all targets of all tiers.")
        .only(View::Json);
/// Failed attempts to resolve or to connect.
pub static DIAL: Definition = Definition::counter(
    &["coco", "errors", "send.dial"],
    "Attempts to resolve a target's name, or to find a way to it, that failed. Each is logged until the target has an address, and the first in a row of a name that had one.",
);
/// The state of targets.
pub static SEND_STATE: Definition = Definition::gauge(
    &["coco", "send.state", "{target}", "{state}"],
    "1 for the state that a target is in, 0 for the others.",
);
/// The flapping of targets.
pub static FLAP_PENALTY: Definition = Definition::gauge(
    &["coco", "send.flap_penalty", "{target}"],
    "How unsteady a target is: 1 for each time that it went down or came up, halved every 30 `send.recovery`. It flaps above 4, and until it is below 2.",
)
.only(View::Prometheus);
/// Large answers that were refused.
pub static API_BUSY: Definition = Definition::counter(
    &["coco", "errors", "api.busy"],
    "Requests for `/tiers`, `/blacklisted`, `/hosts` or `/targets` answered with 503 because too many were under way.",
);
/// The queue between listen and filter.
pub static QUEUES_RAW: Definition =
    Definition::gauge(&["coco", "queues", "raw"], "Value lists waiting for Filter.");
/// The queue between filter and send.
pub static QUEUES_FILTERED: Definition =
    Definition::gauge(&["coco", "queues", "filtered"], "Value lists waiting for Send.");
/// What send holds back.
pub static QUEUES_HELD: Definition = Definition::gauge(
    &["coco", "queues", "held"],
    "Value lists held back for more to their target, by `send.linger`, once for each target.",
);
/// Hosts by target.
pub static HASH_HOSTS: Definition =
    Definition::gauge(&["coco", "hash.hosts", "{target}"], "Hosts hashed to a target.");
/// Metrics by target.
pub static HASH_METRICS: Definition =
    Definition::gauge(&["coco", "hash.metrics", "{target}"], "Metrics of the hosts hashed to a target.");
/// Memory of the tables behind `/tiers` and `/blacklisted`.
pub static STATE_BYTES: Definition = Definition::gauge(
    &["coco", "state", "bytes"],
    "Memory that remembered hosts and metrics take, in bytes.",
);
/// Hosts remembered.
pub static STATE_HOSTS: Definition = Definition::gauge(&["coco", "state", "hosts"], "Hosts remembered.");
/// Hosts that are silent.
pub static STATE_SILENT: Definition = Definition::gauge(
    &["coco", "state", "silent_hosts"],
    "Hosts remembered that had been silent for five minutes, as last measured. `/hosts?silent_for=5m` names them.",
);
/// Since when hosts are remembered.
pub static STATE_SINCE: Definition =
    Definition::gauge(&["coco", "state", "since"], "Since when hosts are remembered, in Unix seconds.");
/// Metrics remembered.
pub static STATE_METRICS: Definition =
    Definition::gauge(&["coco", "state", "metrics"], "Metrics remembered, rejected ones included.");

macro_rules! summary {
    ($($key:literal, $help:literal, $view:expr;)+) => {
        /// The summary statistics of the metrics per host: of each target, then of all targets of a tier.
        pub static METRICS_PER_HOST: &[(Definition, Definition)] = &[$((
            Definition::gauge(&["coco", "hash.metrics_per_host", "{tier}", "{target}", $key], $help).only($view),
            Definition::gauge(&["coco", "hash.metrics_per_host", "{tier}", "total", $key], $help).only(View::Json),
        )),+];
    };
}

// Prometheus keeps names that end in `_sum` for histograms and summaries; there it is `coco_hash_metrics`.
summary! {
    "avg", "Average number of metrics per host hashed to a target in a tier.", View::Both;
    "min", "Minimum number of metrics per host hashed to a target in a tier.", View::Both;
    "max", "Maximum number of metrics per host hashed to a target in a tier.", View::Both;
    "95e", "95th percentile of the number of metrics per host hashed to a target in a tier.", View::Both;
    "length", "Number of hosts hashed to a target in a tier.", View::Both;
    "sum", "Number of metrics of all hosts hashed to a target in a tier.", View::Json;
}

/// The whole table, in the order in which the manual shows it. What coco shares with noodle is in it.
pub fn definitions() -> impl Iterator<Item = &'static Definition> {
    let by_reason = [&MALFORMED, &INCOMPLETE, &REFUSED_NOTIFICATIONS, &REFUSED];
    let arriving = [&KERNEL_DROPS, &RECEIVE_BUFFER, &RECEIVE_BUFFER_USED, &LAST_DATAGRAM_AGE];
    let measured = [
        &QUEUES_RAW,
        &QUEUES_FILTERED,
        &QUEUES_HELD,
        &HASH_HOSTS,
        &HASH_METRICS,
        &STATE_BYTES,
        &STATE_SINCE,
        &STATE_HOSTS,
        &STATE_SILENT,
        &STATE_METRICS,
    ];
    let summaries = METRICS_PER_HOST.iter().flat_map(|(of_target, of_tier)| [of_target, of_tier]);
    COUNTS
        .iter()
        .chain(by_reason)
        .chain(arriving)
        .chain([&BATCH])
        .chain(OUTLET_COUNTS)
        .chain([&COPIES, &TO_OWNERS, &TO_FORMER, &LATENCY])
        .chain(engines::ALL)
        .chain([&SEND_TOTAL, &DIAL, &SEND_STATE, &FLAP_PENALTY, &LOOKUP, &HASH_GET, &API_BUSY])
        .chain(reload::definitions(Program::Coco))
        .chain([logging::definition(Program::Coco), refusals::definition(Program::Coco)])
        .chain(measured)
        .chain(summaries)
}

/// A count of a lane that is kept by reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByReason {
    /// See [`MALFORMED`].
    Malformed(Malformed),
    /// See [`INCOMPLETE`].
    Incomplete(ListRefusal),
    /// See [`REFUSED_NOTIFICATIONS`].
    RefusedNotification(NotificationRefusal),
    /// See [`REFUSED`].
    Refused(Unwelcome),
}

impl ByReason {
    /// Every reason of every kind.
    pub fn all() -> impl Iterator<Item = Self> {
        let malformed = Malformed::ALL.iter().copied().map(Self::Malformed);
        let incomplete = ListRefusal::ALL.iter().copied().map(Self::Incomplete);
        let notifications = NotificationRefusal::ALL.iter().copied().map(Self::RefusedNotification);
        let refused = Unwelcome::ALL.iter().copied().map(Self::Refused);
        malformed.chain(incomplete).chain(notifications).chain(refused)
    }

    /// The definition, and the value of its label `reason`.
    pub fn definition(self) -> (&'static Definition, &'static str) {
        match self {
            Self::Malformed(reason) => (&MALFORMED, reason.key()),
            Self::Incomplete(reason) => (&INCOMPLETE, reason.key()),
            Self::RefusedNotification(reason) => (&REFUSED_NOTIFICATIONS, reason.key()),
            Self::Refused(reason) => (&REFUSED, reason.key()),
        }
    }
}
