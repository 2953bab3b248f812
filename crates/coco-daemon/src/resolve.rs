//! Names to addresses, without waiting for ever.
//!
//! The system's resolver cannot be interrupted, so look-ups have threads of their own, a few: a resolver that never
//! answers keeps those, and nothing else that runs in the background.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use coco_core::address::Address;
use tokio::sync::oneshot;

/// Threads that look names up.
const MOST_THREADS: usize = 32;

/// Look-ups that wait for one, at most; those that nobody waits for any more don't count.
const MOST_WAITING: usize = 4096;

/// The time that a thread waits for another name before it ends.
const IDLE: Duration = Duration::from_secs(10);

/// The addresses of a target, in the order in which the system prefers them; at least one.
///
/// An address that is already a number is not looked up. Past `timeout` the thread lives on until the resolver is done.
pub async fn resolve(address: &Address, timeout: Duration) -> io::Result<Vec<SocketAddr>> {
    static LOOK_UPS: LookUps =
        LookUps::new(|address| (address.host(), address.port()).to_socket_addrs().map(Iterator::collect));
    if let Some(ip) = address.ip() {
        return Ok(vec![(ip, address.port()).into()]);
    }
    let found = LOOK_UPS.find(address.clone(), timeout).await?;
    if found.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
    }
    Ok(found)
}

/// The same for many addresses, all at the same time: the results in their order.
pub async fn resolve_all(
    addresses: impl IntoIterator<Item = Address>,
    timeout: Duration,
) -> Vec<io::Result<Vec<SocketAddr>>> {
    let start = |address| tokio::spawn(async move { resolve(&address, timeout).await });
    let tasks: Vec<_> = addresses.into_iter().map(start).collect();
    let mut results = Vec::with_capacity(tasks.len());
    for task in tasks {
        results.push(task.await.unwrap_or_else(|problem| Err(io::Error::other(problem))));
    }
    results
}

type Found = io::Result<Vec<SocketAddr>>;

/// Look-ups under way and waiting, and the threads for them.
struct LookUps {
    look_up: fn(&Address) -> Found,
    state: Mutex<State>,
    /// There is something to look up.
    news: Condvar,
}

struct State {
    waiting: VecDeque<LookUp>,
    threads: usize,
    /// Of those, how many wait for a name.
    idle: usize,
}

struct LookUp {
    address: Address,
    tell: oneshot::Sender<Found>,
}

impl LookUps {
    const fn new(look_up: fn(&Address) -> Found) -> Self {
        let state = State { waiting: VecDeque::new(), threads: 0, idle: 0 };
        Self { look_up, state: Mutex::new(state), news: Condvar::new() }
    }

    async fn find(&'static self, address: Address, timeout: Duration) -> Found {
        let (tell, told) = oneshot::channel();
        self.enter(LookUp { address, tell })?;
        match tokio::time::timeout(timeout, told).await {
            Ok(Ok(found)) => found,
            Ok(Err(_)) => Err(io::Error::other("looking it up has panicked")),
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the resolver does not answer")),
        }
    }

    fn enter(&'static self, look_up: LookUp) -> io::Result<()> {
        let mut state = self.state();
        if state.waiting.len() >= MOST_WAITING {
            state.waiting.retain(|waiting| !waiting.tell.is_closed());
            if state.waiting.len() >= MOST_WAITING {
                return Err(io::Error::other("too many names are looked up already"));
            }
        }
        state.waiting.push_back(look_up);
        if state.idle < state.waiting.len() && state.threads < MOST_THREADS {
            let thread = std::thread::Builder::new().name("resolve".to_owned()).spawn(|| self.work());
            match thread {
                Ok(_) => state.threads += 1,
                Err(problem) if state.threads == 0 => return Err(problem),
                Err(_) => {}
            }
        }
        drop(state);
        self.news.notify_one();
        Ok(())
    }

    fn work(&self) {
        while let Some(LookUp { address, tell }) = self.next() {
            // Nobody may be waiting any more.
            let _ = tell.send((self.look_up)(&address));
        }
    }

    /// The next that somebody waits for. None when the thread is to end.
    fn next(&self) -> Option<LookUp> {
        let mut state = self.state();
        loop {
            while let Some(next) = state.waiting.pop_front() {
                if !next.tell.is_closed() {
                    return Some(next);
                }
            }
            state.idle += 1;
            let waited = self.news.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner);
            state = waited.0;
            state.idle -= 1;
            if waited.1.timed_out() && state.waiting.is_empty() {
                state.threads -= 1;
                return None;
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    fn resolve(address: &str, timeout: Duration) -> io::Result<Vec<SocketAddr>> {
        block_on(super::resolve(&address.parse().unwrap(), timeout))
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn numbers_need_no_resolver() {
        assert_eq!(
            resolve("10.1.1.111:25826", Duration::ZERO).unwrap(),
            ["10.1.1.111:25826".parse().unwrap()]
        );
        assert_eq!(resolve("[::1]:1", Duration::ZERO).unwrap(), ["[::1]:1".parse().unwrap()]);
    }

    #[test]
    fn names_are_looked_up() {
        let found = resolve("localhost:25826", LONG).unwrap();
        assert!(!found.is_empty());
        assert!(
            found.iter().all(|address| address.ip().is_loopback() && address.port() == 25826),
            "{found:?}"
        );
        assert!(resolve("no-such-host.invalid:25826", LONG).is_err());
    }

    #[test]
    fn a_resolver_that_does_not_answer_keeps_a_few_threads_and_what_waits_is_forgotten() {
        static HANGS: Mutex<()> = Mutex::new(());
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        static LOOK_UPS: LookUps = LookUps::new(|address| {
            ASKED.fetch_add(1, Ordering::Relaxed);
            drop(HANGS.lock().unwrap());
            Ok(vec![(std::net::Ipv4Addr::LOCALHOST, address.port()).into()])
        });
        let address = || "a:1".parse::<Address>().unwrap();
        let hung = HANGS.lock().unwrap();
        block_on(async {
            for _ in 0..MOST_THREADS + MOST_WAITING + 10 {
                let problem = LOOK_UPS.find(address(), Duration::ZERO).await.unwrap_err();
                assert_eq!(problem.kind(), io::ErrorKind::TimedOut);
            }
        });
        assert!(ASKED.load(Ordering::Relaxed) <= MOST_THREADS);
        drop(hung);
        assert!(block_on(LOOK_UPS.find(address(), LONG)).is_ok());
        assert!(ASKED.load(Ordering::Relaxed) <= MOST_THREADS + 1, "nobody waited for the others");
    }

    #[test]
    fn names_that_somebody_waits_for_are_bounded_too() {
        static HANGS: Mutex<()> = Mutex::new(());
        static LOOK_UPS: LookUps = LookUps::new(|_| {
            drop(HANGS.lock().unwrap());
            Ok(Vec::new())
        });
        let hung = HANGS.lock().unwrap();
        let (mut kept, mut refused) = (Vec::new(), 0);
        for _ in 0..MOST_THREADS + MOST_WAITING + 10 {
            let (tell, told) = oneshot::channel();
            match LOOK_UPS.enter(LookUp { address: "a:1".parse().unwrap(), tell }) {
                Ok(()) => kept.push(told),
                Err(_) => refused += 1,
            }
        }
        assert!(refused >= 10 && kept.len() >= MOST_WAITING, "{refused}");
        drop(hung);
        assert!(kept.into_iter().all(|told| told.blocking_recv().unwrap().is_ok()));
    }
}
