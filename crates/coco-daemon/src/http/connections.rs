//! The table of connections, which is bounded. When it is full, somebody makes room for the newest, and meanwhile each
//! answer is the last of its connection.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::turns::{Patience, Table, Ticket, lock};

/// All connections of one listener.
pub(super) struct Connections {
    limit: usize,
    patience: Patience,
    table: Mutex<Table>,
    /// Newcomers for whom there is no place.
    waiting: AtomicUsize,
    /// Told whenever [`Connections::enter`] may find room.
    changed: Notify,
}

impl Connections {
    pub(super) fn new(limit: usize, patience: Patience) -> Arc<Self> {
        Arc::new(Self {
            limit,
            patience,
            table: Mutex::default(),
            waiting: AtomicUsize::new(0),
            changed: Notify::new(),
        })
    }

    /// A place for a new connection, which is idle until its first request. When the table is full the
    /// longest-idle connection loses its place; when all are busy, or idle for a moment only, this waits for the first
    /// that is not, or that has been for too long.
    pub(super) async fn enter(self: &Arc<Self>) -> Place {
        if let Some(place) = self.try_enter() {
            return place;
        }
        let _waiting = Waiting::new(self);
        loop {
            if let Some(place) = self.try_enter() {
                return place;
            }
            let next_look = self.lock().next_look(self.patience, Instant::now());
            tokio::select! {
                () = self.changed.notified() => {}
                () = sleep_until(next_look) => {}
            }
        }
    }

    fn try_enter(self: &Arc<Self>) -> Option<Place> {
        let mut table = self.lock();
        if table.open >= self.limit && !table.evict(self.patience, Instant::now()) {
            return None;
        }
        table.open += 1;
        let ticket = Arc::<Ticket>::default();
        let state = Mutex::new(State::Idle(table.become_idle(&ticket)));
        Some(Place(Arc::new(Connection { connections: Arc::clone(self), ticket, state })))
    }

    /// Takes the place of the longest-idle connection, if there is one: for when descriptors run out.
    pub(super) fn evict_longest_idle(&self) -> bool {
        self.lock().evict_longest_idle(Duration::ZERO, Instant::now())
    }

    /// Whether others wait for a place.
    pub(super) fn are_contended(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Those with a request in progress.
    pub(super) fn busy(&self) -> usize {
        self.lock().busy.len()
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        lock(&self.table)
    }
}

/// A newcomer that waits, until this is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(connections: &'a Connections) -> Self {
        connections.waiting.fetch_add(1, Ordering::Relaxed);
        Self(&connections.waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The place of one connection in the table, until the last of this and its [`InProgress`] is dropped.
pub(super) struct Place(Arc<Connection>);

/// A request in progress keeps its connection from being evicted for being idle until this is dropped.
pub(super) struct InProgress(Arc<Connection>);

struct Connection {
    connections: Arc<Connections>,
    ticket: Arc<Ticket>,
    /// Locked after the table, never before it.
    state: Mutex<State>,
}

#[derive(Clone, Copy)]
enum State {
    Idle(u64),
    Busy(u64),
    Evicted,
}

/// Ends the connection that a request came by, with its answer or without.
#[derive(Debug, Clone, Default)]
pub struct HangUp(Arc<Notify>);

impl HangUp {
    /// Ends it.
    pub fn now(&self) {
        self.0.notify_one();
    }
}

impl Place {
    /// A switch that ends this connection as if another had taken its place.
    pub(super) fn hang_up(&self) -> HangUp {
        HangUp(Arc::clone(&self.0.ticket.evicted))
    }

    /// Waits until another connection took this place: close the connection at once then.
    pub(super) async fn evicted(&self) {
        self.0.ticket.evicted.notified().await;
    }

    /// Whether others wait for a place like this.
    pub(super) fn is_contended(&self) -> bool {
        self.0.connections.are_contended()
    }

    /// Since when the client takes nothing of what we send; none while it does.
    pub(super) fn set_stalled(&self, since: Option<Instant>) {
        *lock(&self.0.ticket.stalled) = since;
    }

    /// A request arrived.
    pub(super) fn begin_request(&self) -> InProgress {
        let mut table = self.0.connections.lock();
        let mut state = lock(&self.0.state);
        if let State::Idle(turn) = *state {
            *state = match table.idle.remove(&turn) {
                Some(_) => State::Busy(table.become_busy(&self.0.ticket)),
                None => State::Evicted,
            };
        }
        InProgress(Arc::clone(&self.0))
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        let mut table = self.0.connections.lock();
        let mut state = lock(&self.0.state);
        if let State::Busy(turn) = *state {
            if table.busy.remove(&turn).is_none() {
                *state = State::Evicted;
                return;
            }
            *state = State::Idle(table.become_idle(&self.0.ticket));
            self.0.connections.changed.notify_one();
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut table = self.connections.lock();
        let counted = match *lock(&self.state) {
            State::Idle(turn) => table.idle.remove(&turn).is_some(),
            State::Busy(turn) => table.busy.remove(&turn).is_some(),
            State::Evicted => false,
        };
        if counted {
            table.open -= 1;
            self.connections.changed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;

    use super::*;

    const PATIENCE: Patience =
        Patience { idle: Duration::ZERO, stalled: Duration::from_secs(60), busy: Duration::from_secs(60) };

    fn block_on<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
    }

    async fn is_ready(future: impl Future) -> bool {
        let mut future = pin!(future);
        poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_ready())).await
    }

    #[test]
    fn the_longest_idle_makes_room() {
        block_on(async {
            let connections = Connections::new(3, PATIENCE);
            let (a, b, c) = (connections.enter().await, connections.enter().await, connections.enter().await);
            let busy = a.begin_request();
            drop(b.begin_request());
            let d = connections.enter().await;
            assert!(is_ready(c.evicted()).await, "b became idle after c");
            let e = connections.enter().await;
            assert!(is_ready(b.evicted()).await);
            for place in [&a, &d, &e] {
                assert!(!is_ready(place.evicted()).await);
            }
            drop(busy);
        });
    }

    #[test]
    fn a_newcomer_waits_while_all_are_busy() {
        block_on(async {
            let connections = Connections::new(1, PATIENCE);
            let a = connections.enter().await;
            let busy = a.begin_request();
            let mut newcomer = pin!(connections.enter());
            assert!(!is_ready(newcomer.as_mut()).await);
            drop(busy);
            let b = newcomer.await;
            assert!(is_ready(a.evicted()).await);
            drop(a.begin_request());
            assert!(!is_ready(b.evicted()).await);
        });
    }

    #[test]
    fn who_is_busy_for_too_long_makes_room_if_nobody_is_idle() {
        block_on(async {
            let connections = Connections::new(2, Patience { busy: Duration::from_millis(1), ..PATIENCE });
            let (a, b) = (connections.enter().await, connections.enter().await);
            let busy = [a.begin_request(), b.begin_request()];
            // Nothing else happens that would wake it.
            let c = connections.enter().await;
            assert!(is_ready(a.evicted()).await && !is_ready(b.evicted()).await);
            drop((busy, a));
            let d = connections.enter().await;
            assert!(is_ready(c.evicted()).await, "idle for longer than b");
            assert!(!is_ready(b.evicted()).await && !is_ready(d.evicted()).await);
        });
    }

    #[test]
    fn who_has_just_come_is_given_a_moment() {
        block_on(async {
            let connections = Connections::new(1, Patience { idle: Duration::from_millis(1), ..PATIENCE });
            let a = connections.enter().await;
            let came = Instant::now();
            let b = connections.enter().await;
            assert!(is_ready(a.evicted()).await, "{:?}", came.elapsed());
            assert!(!is_ready(b.evicted()).await);
            let patient = Connections::new(1, Patience { idle: Duration::from_secs(60), ..PATIENCE });
            let a = patient.enter().await;
            assert!(!is_ready(patient.enter()).await && !is_ready(a.evicted()).await);
        });
    }

    #[test]
    fn who_takes_nothing_makes_room_before_who_is_only_busy() {
        block_on(async {
            let connections = Connections::new(2, Patience { stalled: Duration::from_millis(1), ..PATIENCE });
            let (a, b) = (connections.enter().await, connections.enter().await);
            let busy = [a.begin_request(), b.begin_request()];
            assert!(connections.try_enter().is_none());
            b.set_stalled(Some(Instant::now()));
            let c = connections.enter().await;
            assert!(is_ready(b.evicted()).await && !is_ready(a.evicted()).await);
            let busy = (busy, c.begin_request());
            c.set_stalled(Some(Instant::now()));
            c.set_stalled(None);
            let mut newcomer = pin!(connections.enter());
            assert!(!is_ready(newcomer.as_mut()).await, "c goes on");
            assert!(a.is_contended());
            drop(busy);
            newcomer.await;
            assert!(!a.is_contended());
        });
    }

    #[test]
    fn every_way_to_leave_frees_one_place() {
        block_on(async {
            let connections = Connections::new(2, PATIENCE);
            let idle = connections.enter().await;
            let busy = connections.enter().await;
            let request = busy.begin_request();
            drop(busy);
            assert_eq!(connections.lock().open, 2, "a request outlives its place");
            drop(request);
            assert_eq!(connections.lock().open, 1);
            assert!(connections.evict_longest_idle());
            assert_eq!(connections.lock().open, 0);
            drop(idle);
            assert_eq!(connections.lock().open, 0);
            assert!(connections.lock().idle.is_empty());
        });
    }
}
