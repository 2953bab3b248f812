//! What an engine means by its answer.

use std::time::Duration;

/// Bytes of an answer that are looked at.
pub const LOOKED_AT: usize = 1024;

/// Longest time that an engine may ask to be left alone for.
const LONGEST_WAIT: Duration = Duration::from_secs(5 * 60);

/// Why an engine does not take a sample, by its own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Older than what it has of the series.
    OutOfOrder,
    /// Another value of a time that it has.
    Duplicate,
    /// Too old, or too far behind what it has of any series.
    OutOfBounds,
    /// Anything else.
    Other,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// All samples are taken.
    Accepted,
    /// Some of the samples are not, and perhaps none is.
    Refused(Refusal),
    /// The request is too large.
    TooLarge,
    /// It has no time now, perhaps for so long.
    Busy(Option<Duration>),
    /// It has failed. Equal failures have equal marks.
    Failed {
        /// Of the status and the body.
        mark: Vec<u8>,
    },
    /// There was no answer.
    NoAnswer {
        /// Whether the connection was broken off while the request was sent or the answer awaited.
        broken: bool,
    },
    /// Not the samples are wrong, but where they are sent, or as whom.
    Misconfigured(u16),
}

impl Answer {
    /// By its status, the time that it asks to be left alone for, and the beginning of its body.
    pub fn of(status: u16, retry_after: Option<Duration>, body: &[u8]) -> Self {
        let wait = retry_after.map(|wait| wait.min(LONGEST_WAIT));
        match status {
            200..=299 => Self::Accepted,
            400 | 409 | 422 => Self::Refused(Refusal::of(body)),
            413 => Self::TooLarge,
            // What stands before an engine says these while there is none, whatever is sent.
            429 | 502..=504 => Self::Busy(wait),
            408 => Self::NoAnswer { broken: false },
            500..=599 => {
                let mut mark = status.to_be_bytes().to_vec();
                mark.extend_from_slice(&body[..body.len().min(LOOKED_AT)]);
                Self::Failed { mark }
            }
            _ => Self::Misconfigured(status),
        }
    }
}

impl Refusal {
    /// Every reason.
    pub const ALL: [Self; 4] = [Self::OutOfOrder, Self::Duplicate, Self::OutOfBounds, Self::Other];

    fn of(body: &[u8]) -> Self {
        let said =
            |words: &str| body.windows(words.len()).take(LOOKED_AT).any(|part| part == words.as_bytes());
        if said("out of order") || said("out-of-order") {
            Self::OutOfOrder
        } else if said("duplicate sample") {
            Self::Duplicate
        } else if said("out of bounds") || said("too old") {
            Self::OutOfBounds
        } else {
            Self::Other
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_engines_are_understood() {
        let seconds = Duration::from_secs;
        let failed = |status: u16, body: &str| {
            let mark = [&status.to_be_bytes()[..], body.as_bytes()].concat();
            Answer::Failed { mark }
        };
        for (status, retry_after, body, expected) in [
            (204, None, "", Answer::Accepted),
            (200, None, "", Answer::Accepted),
            (400, None, "out of order sample\n", Answer::Refused(Refusal::OutOfOrder)),
            (400, None, "duplicate sample for timestamp\n", Answer::Refused(Refusal::Duplicate)),
            (400, None, "out of bounds\n", Answer::Refused(Refusal::OutOfBounds)),
            (400, None, "snappy: corrupt input\n", Answer::Refused(Refusal::Other)),
            (409, None, "store locally: out of order", Answer::Refused(Refusal::OutOfOrder)),
            (422, None, "", Answer::Refused(Refusal::Other)),
            (413, None, "", Answer::TooLarge),
            (429, None, "", Answer::Busy(None)),
            (429, Some(7), "", Answer::Busy(Some(seconds(7)))),
            (503, Some(3600), "", Answer::Busy(Some(seconds(300)))),
            (503, None, "down", Answer::Busy(None)),
            (502, None, "Bad Gateway", Answer::Busy(None)),
            (500, None, "too old sample", failed(500, "too old sample")),
            (408, None, "", Answer::NoAnswer { broken: false }),
            (401, None, "", Answer::Misconfigured(401)),
            (404, None, "", Answer::Misconfigured(404)),
            (415, None, "", Answer::Misconfigured(415)),
            (302, None, "", Answer::Misconfigured(302)),
        ] {
            assert_eq!(
                Answer::of(status, retry_after.map(seconds), body.as_bytes()),
                expected,
                "{status} {body}"
            );
        }
    }
}
