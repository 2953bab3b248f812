//! Counters of engines, which get samples by Prometheus' remote write.

use coco_daemon::counters::Definition;

/// The whole table, in the order in which the manual shows it.
pub const ALL: [&Definition; 15] = [
    &LISTS,
    &LISTS_DROPPED,
    &SAMPLES,
    &DELIVERED,
    &DROPPED,
    &NOTIFICATIONS,
    &REQUESTS,
    &RETRIES,
    &PANICS,
    &WAITING,
    &OLDEST_AGE,
    &BYTES,
    &SERIES,
    &BLOCKED,
    &LATENCY,
];

/// Value lists on their way to engines.
pub static LISTS: Definition = Definition::counter(
    &["coco", "remote_write.value_lists", "{target}"],
    "Value lists that became samples for an engine. With those dropped, they are what `filter.accepted` and `send.copies` have for it.",
);
/// Value lists that engines don't get.
pub static LISTS_DROPPED: Definition = Definition::counter(
    &["coco", "remote_write.value_lists_dropped", "{target}", "{reason}"],
    "Value lists that became no samples, by reason.",
);
/// Samples for engines.
pub static SAMPLES: Definition = Definition::counter(
    &["coco", "remote_write.samples", "{target}"],
    "Samples that value lists became, one for each data source: delivered, dropped, or waiting.",
);
/// Samples that engines have.
pub static DELIVERED: Definition =
    Definition::counter(&["coco", "remote_write.delivered", "{target}"], "Samples that an engine has taken.");
/// Samples that engines don't get.
pub static DROPPED: Definition = Definition::counter(
    &["coco", "remote_write.dropped", "{target}", "{reason}"],
    "Samples dropped before they were sent, or refused by an engine, by reason.",
);
/// Notifications for engines.
pub static NOTIFICATIONS: Definition = Definition::counter(
    &["coco", "remote_write.notifications", "{target}"],
    "Notifications, which are not sent to engines.",
);
/// Requests to engines.
pub static REQUESTS: Definition =
    Definition::counter(&["coco", "remote_write.requests", "{target}"], "Requests to an engine.");
/// Requests of the same samples.
pub static RETRIES: Definition = Definition::counter(
    &["coco", "remote_write.retries", "{target}"],
    "Requests to an engine for samples that were sent before: again, or in parts.",
);
/// Mistakes in the program.
pub static PANICS: Definition = Definition::counter(
    &["coco", "remote_write.panics", "{target}"],
    "Panics of the thread of an engine: each costs what waits, by reason `panic`, and then it begins anew.",
);
/// Samples that wait.
pub static WAITING: Definition =
    Definition::gauge(&["coco", "remote_write.waiting", "{target}"], "Samples that wait for an engine.");
/// The age of what waits.
pub static OLDEST_AGE: Definition = Definition::gauge(
    &["coco", "remote_write.oldest_age", "{target}"],
    "Seconds for which the oldest of them have waited, those on their way included.",
);
/// Memory taken for engines.
pub static BYTES: Definition = Definition::gauge(
    &["coco", "remote_write.bytes", "{target}"],
    "Memory of what waits for an engine and of what is known of its series, in bytes.",
);
/// Series of engines.
pub static SERIES: Definition =
    Definition::gauge(&["coco", "remote_write.series", "{target}"], "Series known of an engine.");
/// Whether an operator has to look at an engine.
pub static BLOCKED: Definition = Definition::gauge(
    &["coco", "remote_write.blocked", "{target}"],
    "1 while an engine answers that it is not the samples that are wrong, but where or as whom they are sent (401, 404 and the like). They are kept.",
);
/// The duration of requests to engines.
pub static LATENCY: Definition = Definition::histogram(
    &["coco", "remote_write.latency_seconds", "{target}"],
    "Time until an engine has answered a request, in seconds.",
);
