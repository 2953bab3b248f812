//! Prometheus' remote read 1.0: PromQL over the rows of the fleet's RRD files, in the names that remote write gives them.
//!
//! In the order in which a request meets the modules:
//!
//! - [`question`] is what is asked: queries, and what holds for the labels of their series;
//! - [`matcher`] holds series against that, and knows hosts that it names;
//! - [`answer`] asks the fleet, and makes samples of rows, as `samples` says.
//!
//! Whether rows are rates only an rrdcached tells, so targets that are Visages are left out.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use coco_core::config::NoodleConfig;
use coco_daemon::http::{Answer, Request, Response, Route, body};
use hyper::StatusCode;
use hyper::header::{CONTENT_ENCODING, HeaderValue};
use remote_write::message::ReadResponse;
use remote_write::read;

use crate::budget::{Exhausted, Held, Reservation};
use crate::dialect::counts::PROMETHEUS;
use crate::dialect::lasting::{Clock, Lasting};
use crate::dialect::refused::{Refused, tell};
use crate::fleet::sources::Sources;
use crate::fleet::{Failed, Fleet};
use answer::Answering;
use question::Question;

pub mod answer;
pub mod matcher;
pub mod question;
mod samples;

/// What questions and answers are.
const MEDIA_TYPE: &str = "application/x-protobuf";

/// What a sample takes until its answer is made, at most: itself, as it is written, and compressed.
const EACH_SAMPLE: usize = 64;

/// Who answers Prometheus.
pub trait AnswersPrometheus: Send + Sync + 'static {
    /// The one that answers as of now.
    fn prometheus(&self) -> Arc<Prometheus>;
}

/// The route.
pub fn route<S: AnswersPrometheus>() -> Route<S> {
    let summary = "Prometheus: samples of series, by remote read.";
    Route::new("/api/v1/read", summary, read::<S>).with_messages(MEDIA_TYPE)
}

fn read<S: AnswersPrometheus>(state: &Arc<S>, request: Request) -> Answer {
    let prometheus = state.prometheus();
    Answer::later(async move {
        let answer = prometheus.read(&request).await;
        let response = answer.unwrap_or_else(|refused| refused.response());
        prometheus.lasting.counts.answered(response.status());
        response
    })
}

/// What one request may have.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// Bytes of it once it is unpacked: `fetch.max_form`.
    request: usize,
    /// `graphite.max_series`
    series: usize,
    /// `graphite.max_points`, unless the memory is less.
    points: usize,
    /// Whether it is.
    is_memory: bool,
    /// In seconds.
    window: i64,
}

/// Answers what a Prometheus asks.
#[derive(Debug)]
pub struct Prometheus {
    fleet: Arc<Fleet>,
    limits: Limits,
    require_all: bool,
    /// How long a request waits for memory, or for its turn.
    patience: Duration,
    sources: Sources,
    /// What stays over reloads.
    pub lasting: Lasting,
}

impl Prometheus {
    /// Answers from `fleet`, by the clock of the system.
    pub fn new(fleet: Arc<Fleet>, config: &NoodleConfig) -> Self {
        let (graphite, fetch) = (&config.graphite, &config.fetch);
        let in_memory = fetch.max_memory / 2 / EACH_SAMPLE;
        let limits = Limits {
            request: fetch.max_form,
            series: graphite.max_series,
            points: graphite.max_points.min(in_memory),
            is_memory: in_memory < graphite.max_points,
            window: i64::try_from(fetch.max_window.as_secs()).unwrap_or(i64::MAX),
        };
        Self {
            fleet,
            limits,
            require_all: graphite.require_all,
            patience: fetch.proxy_timeout,
            sources: Sources::new(),
            lasting: Lasting::new(&PROMETHEUS),
        }
    }

    /// As configured anew, with the same turns and counts.
    #[must_use]
    pub fn renewed(&self, fleet: Arc<Fleet>, config: &NoodleConfig) -> Self {
        Self { lasting: self.lasting.clone(), ..Self::new(fleet, config) }
    }

    /// By another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.lasting.clock = clock;
        self
    }

    /// Samples.
    async fn read(&self, request: &Request) -> Result<Response, Refused> {
        if !self.fleet.has_rows() {
            return Err(Refused::bad(
                "no target is read by an rrdcached, and others do not say which rows are rates",
            ));
        }
        let question = self.question(request.form().unwrap_or_default()).await?;
        let mut answering = Answering::new(self, self.lasting.clock.seconds());
        let mut results = Vec::with_capacity(question.queries.len());
        for query in &question.queries {
            results.push(answering.result(query).await?);
        }
        let Answering { failed, tiers, held, samples, .. } = answering;
        self.check(&failed, samples == 0)?;
        self.lasting.counts.read(samples);
        let mut response = self.response(request, ReadResponse { results }, held).await?;
        tell(response.headers_mut(), &self.fleet, &tiers, &failed);
        Ok(response)
    }

    /// What is asked. It is looked at with memory that is lent for it, in a turn.
    async fn question(&self, body: &[u8]) -> Result<Question, Refused> {
        let limit = self.limits.request;
        let memory = read::memory(body, limit).map_err(|error| question::refused(&error))?;
        let Some(rest) = (self.fleet.memory_limit() / 2).checked_sub(memory) else {
            return Err(Refused::bad(format!(
                "reading the request takes {memory} bytes, more than there are (half of fetch.max_memory)"
            )));
        };
        let lent = self.fleet.budget.lend(memory + body.len(), self.patience).await?;
        let (body, nothing) = (body.to_vec(), lent.nothing());
        let read = move || {
            let question = Question::read(&body, limit, rest, nothing);
            drop(lent);
            question
        };
        self.lasting.turns.run(self.patience, read).await?
    }

    /// Refuses an answer for which targets failed, where all are required or nothing came of the others.
    fn check(&self, failed: &[Failed], is_empty: bool) -> Result<(), Refused> {
        if failed.is_empty() {
            return Ok(());
        }
        let refused = Refused::failed(&self.fleet, failed);
        if refused.status == StatusCode::BAD_REQUEST || is_empty {
            return Err(refused);
        }
        if self.require_all {
            return Err(Refused { status: StatusCode::BAD_GATEWAY, ..refused });
        }
        self.lasting.counts.partial();
        Ok(())
    }

    async fn response(
        &self,
        request: &Request,
        answer: ReadResponse,
        mut held: Reservation,
    ) -> Result<Response, Refused> {
        held.grow_in_turn(read::memory_of_answer(&answer), self.patience).await?;
        let packed = self.lasting.turns.run(self.patience, move || read::encode(&answer)).await?;
        let bytes = packed.map_err(|_| self.too_many_points())?;
        held.resize(bytes.capacity()).map_err(|Exhausted| Refused::from(Exhausted))?;
        if let Some(hang_up) = request.hang_up() {
            held.hold_for(hang_up);
        }
        let held = Held { bytes, reservation: held };
        let mut response = body::bytes(StatusCode::OK, MEDIA_TYPE, Bytes::from_owner(held));
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("snappy"));
        Ok(response)
    }

    fn too_many_points(&self) -> Refused {
        let Limits { points, is_memory, .. } = self.limits;
        let key = if is_memory { "half of fetch.max_memory" } else { "graphite.max_points" };
        Refused::bad(format!("more than {points} values ({key})"))
    }
}
