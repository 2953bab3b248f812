//! The activity of one connection, and the time that it may go on with it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::yield_now;
use tokio::time::Instant;

use super::connections::{InProgress, Place};
use super::limits::Limits;
use super::refusals::Refusals;

/// The bytes of a head that every connection may send. Those that send more share [`LargeHeads`].
const SMALL_HEAD: usize = 16 * 1024;

/// Heads beyond [`SMALL_HEAD`] at a time.
const LARGE_HEADS: usize = 64;

/// Room for heads that are large.
pub(super) struct LargeHeads {
    rooms: Arc<Semaphore>,
    refusals: Arc<Refusals>,
}

impl LargeHeads {
    pub(super) fn new(refusals: Arc<Refusals>) -> Arc<Self> {
        Arc::new(Self { rooms: Arc::new(Semaphore::new(LARGE_HEADS)), refusals })
    }

    /// None where there are too many.
    fn room(&self) -> Option<OwnedSemaphorePermit> {
        let room = Arc::clone(&self.rooms).try_acquire_owned().ok();
        if room.is_none() {
            self.refusals.add();
        }
        room
    }
}

/// A head is large while too many others are.
pub(super) struct TooMany {
    /// Whether an answer is under way, into which nothing else can be said.
    pub(super) owes_answer: bool,
}

/// Told by the socket and by the requests of one connection.
pub(super) struct Activity {
    place: Place,
    large_heads: Arc<LargeHeads>,
    client: SocketAddr,
    state: Mutex<State>,
}

struct State {
    phase: Phase,
    /// Since when the client takes nothing of what we send.
    stalled: Option<Instant>,
    /// Bytes that came since the last request.
    unread: usize,
    /// Whether they belong to a form, which has memory of its own.
    reads_form: bool,
    large_head: Option<OwnedSemaphorePermit>,
    /// Whether a request was answered since others had their turn.
    has_had_turn: bool,
}

enum Phase {
    /// Waits for a request since then.
    Idle(Instant),
    /// Has begun to send one.
    Head(Instant),
    /// Waits for its answer.
    Answering(InProgress),
    /// Has still to take the rest of it.
    Answered(InProgress),
    /// For a moment only.
    Changing,
}

impl Activity {
    /// A connection that has begun to send a request, unless it has served one.
    pub(super) fn new(
        place: Place,
        large_heads: Arc<LargeHeads>,
        client: SocketAddr,
        has_begun: bool,
    ) -> Arc<Self> {
        let now = Instant::now();
        let phase = if has_begun { Phase::Head(now) } else { Phase::Idle(now) };
        let state = State {
            phase,
            stalled: None,
            unread: 0,
            reads_form: false,
            large_head: None,
            has_had_turn: false,
        };
        Arc::new(Self { place, large_heads, client, state: Mutex::new(state) })
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// The client's address.
    pub(super) fn client(&self) -> SocketAddr {
        self.client
    }

    /// So many bytes came.
    pub(super) fn received(&self, bytes: usize) -> Result<(), TooMany> {
        let mut state = self.lock();
        if matches!(state.phase, Phase::Idle(_)) {
            state.phase = Phase::Head(Instant::now());
        }
        if state.reads_form {
            return Ok(());
        }
        state.unread += bytes;
        if state.unread > SMALL_HEAD && state.large_head.is_none() {
            let owes_answer = !matches!(state.phase, Phase::Head(_));
            state.large_head = Some(self.large_heads.room().ok_or(TooMany { owes_answer })?);
        }
        Ok(())
    }

    /// Whether what comes from now on belongs to a form.
    pub(super) fn set_reads_form(&self, reads_form: bool) {
        self.lock().reads_form = reads_form;
    }

    /// The client takes what we send, or doesn't.
    pub(super) fn sent(&self, takes: bool) {
        let mut state = self.lock();
        let stalled = match state.stalled {
            _ if takes => None,
            None => Some(Instant::now()),
            since => since,
        };
        if stalled != state.stalled {
            state.stalled = stalled;
            self.place.set_stalled(stalled);
        }
    }

    /// A request came, which is in progress until what is returned is dropped, and its answer sent.
    pub(super) fn begin_request(self: &Arc<Self>) -> Answering {
        let mut state = self.lock();
        (state.unread, state.large_head) = (0, None);
        state.phase = match std::mem::replace(&mut state.phase, Phase::Changing) {
            Phase::Answering(in_progress) | Phase::Answered(in_progress) => Phase::Answering(in_progress),
            _ => Phase::Answering(self.place.begin_request()),
        };
        Answering(Arc::clone(self))
    }

    /// Waits for the turn of the next request: whatever a client has sent at once, others have theirs in between.
    pub(super) async fn turn(&self) {
        if std::mem::replace(&mut self.lock().has_had_turn, true) {
            yield_now().await;
            self.lock().has_had_turn = true;
        }
    }

    /// The connection has done what it can do for now: an answer has left unless the client does not take it.
    pub(super) fn settle(&self) {
        let mut state = self.lock();
        state.has_had_turn = false;
        if matches!(state.phase, Phase::Answered(_)) && state.stalled.is_none() {
            state.phase = Phase::Idle(Instant::now());
        }
    }

    /// Whether it waits for a request, and has served one.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.lock().phase, Phase::Idle(_))
    }

    /// When the client will have taken too long over what it does.
    pub(super) fn deadline(&self, limits: &Limits) -> Option<Instant> {
        let state = self.lock();
        match (state.stalled, &state.phase) {
            (Some(since), _) => Some(since + limits.stall_timeout),
            (None, Phase::Idle(since)) => Some(*since + limits.longest_idle()),
            (None, Phase::Head(since)) => Some(*since + limits.head_timeout),
            (None, _) => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An answer that is being made, or handed over to be sent, until this is dropped.
pub(super) struct Answering(Arc<Activity>);

impl Drop for Answering {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.phase = match std::mem::replace(&mut state.phase, Phase::Changing) {
            Phase::Answering(in_progress) => Phase::Answered(in_progress),
            phase => phase,
        };
    }
}
