//! What a Prometheus asks: queries, each a time and what holds for the labels of its series.

use std::sync::Arc;

use remote_write::message::{Query as Asked, ResponseType};
use remote_write::read::{ReadError, decode};

use super::matcher::{Selector, Unfit};
use crate::budget::Reservation;
use crate::dialect::refused::Refused;

/// Queries of one request: a Prometheus sends one.
const MOST_QUERIES: usize = 64;

/// Matchers of all queries.
const MOST_MATCHERS: usize = 1024;

/// Bytes that all regular expressions may take, compiled, if there is as much memory.
const MOST_REGEXES: usize = 16 << 20;

/// Queries that have been understood.
#[derive(Debug)]
pub struct Question {
    /// In their order.
    pub queries: Vec<Query>,
    /// What their expressions take.
    _held: Reservation,
}

/// A query.
#[derive(Debug)]
pub struct Query {
    /// Which series.
    pub selector: Arc<Selector>,
    /// The first millisecond since the epoch.
    pub start: i64,
    /// The last one.
    pub end: i64,
}

impl Question {
    /// Reads a request of at most `limit` bytes once it is unpacked, for which memory is lent. What its expressions take,
    /// `memory` at most, is added to `held`.
    pub fn read(body: &[u8], limit: usize, memory: usize, mut held: Reservation) -> Result<Self, Refused> {
        let request = decode(body, limit).map_err(|error| refused(&error))?;
        let accepted = &request.accepted_response_types;
        if !accepted.is_empty() && !accepted.contains(&(ResponseType::Samples as i32)) {
            return Err(Refused::bad("samples are not accepted, and there is no other form of answers here"));
        }
        let matchers = request.queries.iter().map(|query| query.matchers.len()).sum::<usize>();
        if request.queries.len() > MOST_QUERIES || matchers > MOST_MATCHERS {
            let (queries, most) = (request.queries.len(), format!("{MOST_QUERIES} and {MOST_MATCHERS}"));
            return Err(Refused::bad(format!("{queries} queries of {matchers} matchers, more than {most}")));
        }
        let most = memory.min(MOST_REGEXES);
        let mut room = most;
        let mut understand = |query: Asked| {
            let selector = Selector::new(query.matchers, &mut room, &mut held);
            let selector = Arc::new(selector.map_err(|unfit| unfit.told(most))?);
            Ok::<_, Refused>(Query { selector, start: query.start_timestamp_ms, end: query.end_timestamp_ms })
        };
        let queries = request.queries.into_iter().map(&mut understand).collect::<Result<_, _>>()?;
        Ok(Self { queries, _held: held })
    }
}

/// What a client is told.
pub(super) fn refused(error: &ReadError) -> Refused {
    let key = if matches!(error, ReadError::TooLarge { .. }) { " (fetch.max_form)" } else { "" };
    Refused::bad(format!("{error}{key}"))
}

impl Unfit {
    /// What a client is told whose expressions may take so many bytes.
    fn told(self, most: usize) -> Refused {
        match self {
            Self::Memory(exhausted) => exhausted.into(),
            Self::Large => {
                let key = if most < MOST_REGEXES { " (half of fetch.max_memory)" } else { "" };
                Refused::bad(format!("the regular expressions take more than {most} bytes, compiled{key}"))
            }
            Self::Regex(problem) => Refused::bad(problem),
        }
    }
}
