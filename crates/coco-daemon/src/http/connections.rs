//! Who is connected. The table is bounded; the longest idle makes room for the newest, and where nobody is idle, who
//! takes too long over an answer.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// Nothing panics while it holds one of the locks, so what they guard is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All connections of one listener.
pub(super) struct Connections {
    limit: usize,
    /// How long a request may be in progress while others wait for a place.
    patience: Duration,
    table: Mutex<Table>,
    /// Told whenever [`Connections::enter`] may find room.
    changed: Notify,
}

#[derive(Default)]
struct Table {
    /// Connections that count against the limit.
    open: usize,
    /// Those without a request in progress, in the order in which they became idle.
    idle: BTreeMap<u64, Arc<Notify>>,
    /// Those with one, in the order in which it began, and when that was.
    busy: BTreeMap<u64, (Instant, Arc<Notify>)>,
    /// Becoming idle or busy is what orders connections; a clock would not order two of one moment.
    next_turn: u64,
}

impl Connections {
    pub(super) fn new(limit: usize, patience: Duration) -> Arc<Self> {
        Arc::new(Self { limit, patience, table: Mutex::default(), changed: Notify::new() })
    }

    /// A place for a new connection, which is idle until its first request. When the table is full the
    /// longest-idle connection loses its place; when all are busy, this waits for the first that is not, or that has
    /// been for too long.
    pub(super) async fn enter(self: &Arc<Self>) -> Place {
        loop {
            if let Some(place) = self.try_enter() {
                return place;
            }
            let longest_busy = self.lock().busy.values().next().map(|(since, _)| *since + self.patience);
            let too_long = async {
                match longest_busy {
                    Some(deadline) => sleep_until(deadline).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                () = self.changed.notified() => {}
                () = too_long => {}
            }
        }
    }

    fn try_enter(self: &Arc<Self>) -> Option<Place> {
        let mut table = self.lock();
        if table.open >= self.limit && !table.evict_longest_idle() && !table.evict_longest_busy(self.patience)
        {
            return None;
        }
        table.open += 1;
        let evicted = Arc::new(Notify::new());
        let state = Mutex::new(State::Idle(table.become_idle(&evicted)));
        Some(Place(Arc::new(Connection { connections: Arc::clone(self), evicted, state })))
    }

    /// Takes the place of the longest-idle connection, if there is one: for when descriptors run out.
    pub(super) fn evict_longest_idle(&self) -> bool {
        self.lock().evict_longest_idle()
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        lock(&self.table)
    }
}

impl Table {
    fn become_idle(&mut self, evicted: &Arc<Notify>) -> u64 {
        let turn = self.turn();
        self.idle.insert(turn, Arc::clone(evicted));
        turn
    }

    fn become_busy(&mut self, evicted: &Arc<Notify>) -> u64 {
        let turn = self.turn();
        self.busy.insert(turn, (Instant::now(), Arc::clone(evicted)));
        turn
    }

    fn turn(&mut self) -> u64 {
        self.next_turn += 1;
        self.next_turn
    }

    fn evict_longest_idle(&mut self) -> bool {
        let Some((_, evicted)) = self.idle.pop_first() else {
            return false;
        };
        self.open -= 1;
        evicted.notify_one();
        true
    }

    fn evict_longest_busy(&mut self, patience: Duration) -> bool {
        let Some(longest) = self.busy.first_entry().filter(|entry| entry.get().0.elapsed() >= patience)
        else {
            return false;
        };
        longest.remove().1.notify_one();
        self.open -= 1;
        true
    }
}

/// The place of one connection in the table, until the last of this and its [`InProgress`] is dropped.
pub(super) struct Place(Arc<Connection>);

/// A request in progress keeps its connection from being evicted for being idle until this is dropped.
pub(super) struct InProgress(Arc<Connection>);

struct Connection {
    connections: Arc<Connections>,
    evicted: Arc<Notify>,
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
#[derive(Clone, Debug, Default)]
pub struct HangUp(Arc<Notify>);

impl HangUp {
    /// Ends it.
    pub fn now(&self) {
        self.0.notify_one();
    }
}

impl Place {
    /// What ends this connection as if another had taken its place.
    pub(super) fn hang_up(&self) -> HangUp {
        HangUp(Arc::clone(&self.0.evicted))
    }

    /// Waits until another connection took this place: close the connection at once then.
    pub(super) async fn evicted(&self) {
        self.0.evicted.notified().await;
    }

    /// A request arrived.
    pub(super) fn begin_request(&self) -> InProgress {
        let mut table = self.0.connections.lock();
        let mut state = lock(&self.0.state);
        if let State::Idle(turn) = *state {
            *state = match table.idle.remove(&turn) {
                Some(_) => State::Busy(table.become_busy(&self.0.evicted)),
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
            *state = State::Idle(table.become_idle(&self.0.evicted));
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

    const PATIENCE: Duration = Duration::from_secs(60);

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
            let connections = Connections::new(2, Duration::from_millis(1));
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
