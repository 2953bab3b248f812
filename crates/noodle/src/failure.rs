//! Why a target gave no answer, by what the caller does next.

use std::time::Duration;

use coco_core::config::duration;
use hyper::StatusCode;
use rrdcached::error::Malformed;
use thiserror::Error;

use crate::budget::Exhausted;
use crate::json::object::NotAnObject;

/// Why a target gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Failure {
    /// Nothing listens there, the network is cut, or the name does not resolve.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// The connection ended before an answer, or what came is not HTTP.
    #[error("no answer: {0}")]
    Reset(String),
    /// Nothing came in time.
    #[error("no answer within {}", duration::format(*.0))]
    HeadTimeout(Duration),
    /// An answer, but neither "here it is" nor "there is none".
    #[error("answered {0}")]
    Status(StatusCode),
    /// 400 or 414: it is the request that is at fault, and would be so for every node.
    #[error("answered {0}: it does not take this request")]
    Refused(StatusCode),
    /// The connection ended in the middle of an answer.
    #[error("the answer broke off: {0}")]
    BrokenOff(String),
    /// The end of an answer did not come in time.
    #[error("the answer was not complete within {}", duration::format(*.0))]
    BodyTimeout(Duration),
    /// Larger than `fetch.max_body`.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    /// Compressed in a way that is not known, though it was asked not to be.
    #[error("the answer is compressed, though none was asked for that is: {0:?}")]
    Encoding(String),
    /// Compressed, and broken.
    #[error("the answer is compressed (gzip), and broken: {0}")]
    Compressed(String),
    /// Not what Visage would answer.
    #[error("the answer is not a JSON object: {0}")]
    NotAnObject(#[from] NotAnObject),
    /// JSON, but not the list that was asked for.
    #[error("the answer has no list of {0}")]
    NoList(&'static str),
    /// Series of other hosts than the one that was asked for by name.
    #[error("the answer is about another host")]
    OtherHost,
    /// Not what rrdcached would answer.
    #[error("not an answer of rrdcached: {0}")]
    NotRrdcached(#[from] Malformed),
    /// An rrdcached that does not do what it is asked for; its words hold paths of its machine.
    #[error("rrdcached refuses: {0}")]
    Denied(&'static str),
    /// Files that an rrdcached has, and can't read: what it said of others is an answer all the same.
    #[error("{files} of the files can't be read: {why}")]
    Unread {
        /// How many.
        files: usize,
        /// The reason of the first.
        why: &'static str,
    },
    /// More than `fetch.max_rows`: it is the request that is at fault.
    #[error("{rows} rows of {step} s, more than {limit} (fetch.max_rows)")]
    TooManyRows {
        /// Of one series.
        rows: u64,
        /// Seconds from one to the next.
        step: i64,
        /// The limit.
        limit: u64,
    },
    /// `fetch.max_requests` are under way, and none of them ended, or would end, in time.
    #[error("no turn within {}: too many requests to this target are under way", duration::format(*.0))]
    Queue(Duration),
    /// `fetch.max_memory` is used up.
    #[error("too many large answers are under way")]
    Memory,
}

impl Failure {
    /// Whether another tier may have the answer. It would not help where Noodle itself has enough to do: passing
    /// the load on from tier to tier takes down one after the other.
    pub fn asks_next_tier(&self) -> bool {
        !matches!(self, Self::Queue(_) | Self::Memory | Self::Refused(_) | Self::TooManyRows { .. })
    }

    /// Whether the target, or what leads to it, is out of order, rather than what it says.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Connect(_)
            | Self::Reset(_)
            | Self::HeadTimeout(_)
            | Self::BrokenOff(_)
            | Self::BodyTimeout(_) => true,
            Self::Status(_)
            | Self::Refused(_)
            | Self::TooLarge(_)
            | Self::Encoding(_)
            | Self::Compressed(_)
            | Self::NotAnObject(_)
            | Self::NoList(_)
            | Self::OtherHost
            | Self::NotRrdcached(_)
            | Self::Denied(_)
            | Self::Unread { .. }
            | Self::TooManyRows { .. }
            | Self::Queue(_)
            | Self::Memory => false,
        }
    }

    /// Whether the next request to the same target would have to wait as long for as little.
    pub fn is_of_target(&self) -> bool {
        matches!(self, Self::Connect(_) | Self::HeadTimeout(_) | Self::BodyTimeout(_))
    }

    /// The counter of operators who know Noodle's first version; none for what is Noodle's own doing.
    pub fn error_count(&self) -> Option<ErrorCount> {
        match self {
            Self::Connect(_)
            | Self::Reset(_)
            | Self::HeadTimeout(_)
            | Self::Status(_)
            | Self::Denied(_)
            | Self::Unread { .. } => Some(ErrorCount::HttpGet),
            Self::BrokenOff(_) | Self::BodyTimeout(_) | Self::TooLarge(_) => Some(ErrorCount::ReadAll),
            Self::NotAnObject(_)
            | Self::NoList(_)
            | Self::OtherHost
            | Self::NotRrdcached(_)
            | Self::Encoding(_)
            | Self::Compressed(_) => Some(ErrorCount::Unmarshal),
            Self::Queue(_) | Self::Memory | Self::Refused(_) | Self::TooManyRows { .. } => None,
        }
    }

    /// What it is counted under for the target; nothing where it is the request that is at fault.
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Self::Connect(_) => Some(Reason::Connect),
            Self::Reset(_) => Some(Reason::Reset),
            Self::HeadTimeout(_) => Some(Reason::Timeout),
            Self::Status(_) => Some(Reason::Status),
            Self::Refused(_) | Self::TooManyRows { .. } => None,
            Self::BrokenOff(_) => Some(Reason::BrokenOff),
            Self::BodyTimeout(_) => Some(Reason::Stalled),
            Self::TooLarge(_) => Some(Reason::TooLarge),
            Self::NotAnObject(_) | Self::NoList(_) | Self::Encoding(_) | Self::Compressed(_) => {
                Some(Reason::NotJson)
            }
            Self::OtherHost => Some(Reason::OtherHost),
            Self::NotRrdcached(_) => Some(Reason::NotRrdcached),
            Self::Denied(_) | Self::Unread { .. } => Some(Reason::Denied),
            Self::Queue(_) => Some(Reason::Queue),
            Self::Memory => Some(Reason::Memory),
        }
    }

    /// The status for a client that gets no answer because of these; there is at least one.
    pub fn status<'a>(failures: impl IntoIterator<Item = &'a Self> + Clone) -> StatusCode {
        let timeout = |failure: &Self| matches!(failure, Self::HeadTimeout(_) | Self::BodyTimeout(_));
        let busy = |failure: &Self| matches!(failure, Self::Queue(_) | Self::Memory);
        let refused = |failure: &Self| match failure {
            Self::Refused(status) => Some(*status),
            Self::TooManyRows { .. } => Some(StatusCode::BAD_REQUEST),
            _ => None,
        };
        if let Some(status) = failures.clone().into_iter().find_map(refused) {
            status
        } else if failures.clone().into_iter().any(busy) {
            StatusCode::SERVICE_UNAVAILABLE
        } else if failures.into_iter().all(timeout) {
            StatusCode::GATEWAY_TIMEOUT
        } else {
            StatusCode::BAD_GATEWAY
        }
    }
}

impl From<Exhausted> for Failure {
    fn from(_: Exhausted) -> Self {
        Self::Memory
    }
}

/// An error by the name that Noodle's first version gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorCount {
    /// The host part of a path.
    ConGet,
    /// Up to the head of an answer.
    HttpGet,
    /// The body of an answer.
    ReadAll,
    /// What is in it.
    Unmarshal,
}

/// What a failure is counted under, beside [`ErrorCount`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// [`Failure::Connect`]
    Connect,
    /// [`Failure::Reset`]
    Reset,
    /// [`Failure::HeadTimeout`]
    Timeout,
    /// [`Failure::Status`]
    Status,
    /// [`Failure::BrokenOff`]
    BrokenOff,
    /// [`Failure::BodyTimeout`]
    Stalled,
    /// [`Failure::TooLarge`]
    TooLarge,
    /// [`Failure::NotAnObject`], [`Failure::NoList`], [`Failure::Encoding`] and [`Failure::Compressed`]
    NotJson,
    /// [`Failure::OtherHost`]
    OtherHost,
    /// [`Failure::NotRrdcached`]
    NotRrdcached,
    /// [`Failure::Denied`] and [`Failure::Unread`]
    Denied,
    /// [`Failure::Queue`]
    Queue,
    /// [`Failure::Memory`]
    Memory,
}

impl Reason {
    /// Every reason with its name.
    pub const ALL: [(Self, &'static str); 13] = [
        (Self::Connect, "connect"),
        (Self::Reset, "reset"),
        (Self::Timeout, "timeout"),
        (Self::Status, "status"),
        (Self::BrokenOff, "broken_off"),
        (Self::Stalled, "stalled"),
        (Self::TooLarge, "too_large"),
        (Self::NotJson, "not_json"),
        (Self::OtherHost, "other_host"),
        (Self::NotRrdcached, "not_rrdcached"),
        (Self::Denied, "denied"),
        (Self::Queue, "queue"),
        (Self::Memory, "memory"),
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_says_whether_waiting_or_asking_again_may_help() {
        const LONG: Duration = Duration::from_secs(3);
        let (head, body) = (Failure::HeadTimeout(LONG), Failure::BodyTimeout(LONG));
        let status = |failures: &[&Failure]| Failure::status(failures.iter().copied()).as_u16();
        assert_eq!(status(&[&head, &body]), 504);
        assert_eq!(status(&[&head, &Failure::TooLarge(1)]), 502);
        assert_eq!(status(&[&Failure::Status(StatusCode::NOT_IMPLEMENTED)]), 502);
        assert_eq!(status(&[&head, &Failure::Queue(LONG)]), 503);
        assert_eq!(status(&[&Failure::Memory]), 503);
        assert_eq!(status(&[&head, &Failure::Refused(StatusCode::URI_TOO_LONG)]), 414);
    }

    #[test]
    fn reasons_stand_at_their_index() {
        for (index, (reason, _)) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
        }
    }
}
