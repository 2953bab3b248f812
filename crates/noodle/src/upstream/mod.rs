//! A target as something to ask: so many questions at a time, each within its time, whatever is spoken there.
//!
//! An [`Upstream`] is when to ask and what to think of it: `turns` say who may ask, and when; its health is how it
//! fares; `stored` is what it has, for tools that look at it alone. How to ask is its transport: [`visage`] over HTTP, or
//! [`rrdcached`] by that protocol. `connect` makes connections for both, and `kept` has those that may be used again.

use std::num::NonZero;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use coco_core::config::Fetch;
use coco_core::tier::Endpoint;
use coco_daemon::health::{Condition, Health, News};
use coco_daemon::logging::Throttle;
use tracing::{info, warn};

use crate::ask::{Question, Reply};
use crate::budget::Budget;
use crate::failure::Failure;
pub use kept::Room;
use rrdcached::{Remembered, Rrdcached};
pub use turns::Turn;
use turns::Turns;
use visage::Visage;

mod connect;
mod kept;
pub mod rrdcached;
mod stored;
mod turns;
pub mod visage;

/// The name in `/tiers` and in counters of a target without a condition.
pub const UNASKED: &str = "unasked";

/// What of the configuration a target is asked by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// For one question, and for whatever has to be waited for before.
    pub timeout: Duration,
    /// What did not answer is up again when it answers and nothing has gone wrong for so long.
    pub recovery: Duration,
    /// Questions at a time.
    pub max_requests: NonZero<usize>,
    /// Whether connections are used again.
    pub keep_alive: bool,
    /// Bytes of the largest answer.
    pub max_body: usize,
    /// Rows of one series.
    pub max_rows: u64,
    /// How long hosts and files are remembered.
    pub tree_age: Duration,
}

/// Where a target serves what it has stored. Targets of several tiers may share one.
#[derive(Debug)]
pub struct Upstream {
    /// `http://10.1.1.111:9292` or `rrdcached://10.1.1.111:42217`.
    root: String,
    transport: Transport,
    terms: Terms,
    turns: Turns,
    /// None until it is asked.
    health: Mutex<Option<Health>>,
    complaints: Mutex<Throttle>,
}

/// How a target is asked.
#[derive(Debug)]
enum Transport {
    Visage(Box<Visage>),
    Rrdcached(Arc<Rrdcached>),
}

/// Which try of a question it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Try {
    /// The first.
    First,
    /// Another, since what came of the first [may have been meant for another question](Said::Doubtful).
    Again,
}

/// What targets share.
#[derive(Debug, Clone, Default)]
pub struct Shared {
    room: Room,
    remembered: Arc<Remembered>,
}

/// What came of asking, and whether it did.
#[derive(Debug)]
pub struct Heard {
    /// What came of it.
    pub said: Result<Said, Failure>,
    /// Whether the target was asked: what is remembered says nothing of how it fares.
    pub was_asked: bool,
}

/// What came of asking.
#[derive(Debug)]
pub enum Said {
    /// What the target has.
    Reply(Reply),
    /// That it has nothing.
    Nothing,
    /// The same, but it may have been meant for another question.
    Doubtful,
}

impl From<&Fetch> for Terms {
    fn from(config: &Fetch) -> Self {
        Self {
            timeout: config.proxy_timeout,
            recovery: config.recovery,
            max_requests: config.max_requests,
            keep_alive: config.keep_alive,
            max_body: config.max_body,
            max_rows: config.max_rows,
            tree_age: config.tree_age,
        }
    }
}

impl Upstream {
    /// What listens at `endpoint`. Nothing is connected yet.
    pub fn new(endpoint: &Endpoint, terms: Terms, shared: Shared) -> Self {
        let Shared { room, remembered } = shared;
        let (root, transport) = match endpoint {
            Endpoint::Visage(address) => {
                (visage::root(address), Transport::Visage(Box::new(Visage::new(address, &terms, room))))
            }
            Endpoint::Rrdcached(address) => {
                let daemon = Rrdcached::new(address.clone(), (&terms).into(), room, remembered);
                (address.to_string(), Transport::Rrdcached(Arc::new(daemon)))
            }
        };
        Self {
            root,
            transport,
            turns: Turns::new(terms.max_requests.get()),
            health: Mutex::default(),
            complaints: Mutex::new(Throttle::new()),
            terms,
        }
    }

    /// What it is asked by.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// The root of its URLs, without a slash at the end.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// Whether it has rows in which what is unknown can be told, so that they can be joined with those of others.
    pub fn has_rows(&self) -> bool {
        matches!(self.transport, Transport::Rrdcached(_))
    }

    /// How old the list of its hosts is, if one is remembered.
    pub fn tree_age(&self) -> Option<Duration> {
        match &self.transport {
            Transport::Visage(_) => None,
            Transport::Rrdcached(daemon) => daemon.tree_age(),
        }
    }

    /// What it is asked for, as an operator could ask for it.
    pub fn shown(&self, question: &Question) -> String {
        match &self.transport {
            Transport::Visage(_) => {
                let path = visage::url::of(question);
                path.map_or_else(|_| self.root.clone(), |path| [&*self.root, path.as_str()].concat())
            }
            Transport::Rrdcached(_) => self.root.clone(),
        }
    }

    /// Its condition: up if it answers to the end, none if it was [not asked yet](UNASKED).
    pub fn condition(&self) -> Option<Condition> {
        let now = Instant::now();
        let mut health = self.health();
        let health = health.as_mut()?;
        self.tell(health.look(now));
        Some(health.condition(now))
    }

    fn note_health(&self, has_answered: bool) {
        let now = Instant::now();
        let mut health = self.health();
        let health = health.get_or_insert_with(|| Health::new(self.terms.recovery));
        self.tell(if has_answered { health.success(now) } else { health.fault(now) });
    }

    /// That it is down was [said of a request](Self::complain).
    fn tell(&self, news: Option<News>) {
        let url = self.root();
        match news {
            Some(News::Flaps) => {
                warn!(
                    url,
                    "target is flapping; until it is calm it is asked last, and no more is said of it"
                );
            }
            Some(News::Calm(state)) => info!(url, %state, "target is calm"),
            Some(News::Up | News::Down) | None => {}
        }
    }

    fn health(&self) -> MutexGuard<'_, Option<Health>> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The longest that an answer may take, and whatever has to be waited for before.
    pub fn timeout(&self) -> Duration {
        self.terms.timeout
    }

    /// Waits for a turn, no longer than for an answer, and not at all where so many wait that it would be longer.
    pub async fn turn(&self) -> Result<Turn, Failure> {
        self.turns.turn(self.timeout()).await.ok_or_else(|| Failure::Queue(self.timeout()))
    }

    /// Asks once; the answer must be complete in time.
    pub async fn ask(&self, turn: Turn, question: &Question, attempt: Try, budget: &Budget) -> Heard {
        let heard = match &self.transport {
            Transport::Visage(visage) => {
                Heard { said: visage.ask(turn, question, attempt, budget).await, was_asked: true }
            }
            // Both in memory of their own: who waits for a turn shall take little.
            Transport::Rrdcached(daemon) => Box::pin(daemon.ask(turn, question, budget)).await,
        };
        if heard.was_asked {
            self.note_health(!heard.said.as_ref().is_err_and(Failure::is_outage));
        }
        heard
    }

    /// Logs a failure, once a minute, unless it flaps.
    pub fn complain(&self, target: &str, question: &Question, failure: &Failure) {
        if self.condition() == Some(Condition::Flapping) {
            return;
        }
        let mut complaints = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(suppressed) = complaints.pass(Instant::now()) {
            let (host, url) = (question.hosts.shown(), self.shown(question));
            warn!(host, target, cause = %failure, url, suppressed, "a target gave no answer");
        }
    }
}
