//! Passages that are worked on side by side, with so many at a time for each node, and the sessions that they need.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::session::{Launcher, Session, failed};
use super::way::{Node, Passage};
use crate::failure::Failure;

/// Most passages at a time, whatever the number of nodes.
const MOST: usize = 64;

/// A node that failed so often in a row is left alone.
const FAILURES: u32 = 3;

/// Who works on passages.
#[derive(Debug)]
pub(super) struct Crew<'a> {
    launcher: &'a Launcher,
    /// Most passages at a time that a node has part in.
    limit: usize,
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Passage>,
    busy: HashMap<Node, usize>,
    /// Where a host is on its way to: tiers that bring it there from other nodes wait for each other.
    arriving: HashSet<(Vec<u8>, Node)>,
    idle: HashMap<Node, Vec<Session>>,
    /// Who logs in to a node has this: sshd turns some away where many are about to (`MaxStartups`).
    logins: HashMap<Node, Arc<Mutex<()>>>,
    /// How often it failed in a row, and how.
    failures: HashMap<Node, (u32, String)>,
}

/// The sessions of one passage.
#[derive(Debug)]
pub(super) struct Desk<'a> {
    crew: &'a Crew<'a>,
    open: HashMap<Node, Session>,
}

impl<'a> Crew<'a> {
    /// Who has no work yet.
    pub(super) fn new(launcher: &'a Launcher, limit: usize) -> Self {
        Self { launcher, limit: limit.max(1), state: Mutex::default(), freed: Condvar::new() }
    }

    /// Sessions for one at a time, who asks first.
    pub(super) fn desk(&'a self) -> Desk<'a> {
        Desk { crew: self, open: HashMap::new() }
    }

    /// Works on all passages and sends what came of each, until all are done or nobody listens any more.
    pub(super) fn work<T: Send>(
        &self,
        passages: Vec<Passage>,
        act: impl Fn(&Passage, &mut Desk<'_>) -> T + Sync,
        done: Sender<(Passage, T)>,
    ) {
        let mut nodes: Vec<_> = passages.iter().flat_map(nodes_of).collect();
        nodes.sort_unstable();
        nodes.dedup();
        let hands = (self.limit * nodes.len()).min(passages.len()).min(MOST);
        self.lock().queue = passages.into();
        thread::scope(|scope| {
            for _ in 0..hands {
                let (act, done) = (&act, done.clone());
                scope.spawn(move || {
                    while let Some(passage) = self.take() {
                        let mut desk = Desk { crew: self, open: HashMap::new() };
                        let result = act(&passage, &mut desk);
                        desk.clear();
                        self.give_back(&passage);
                        if done.send((passage, result)).is_err() {
                            break;
                        }
                    }
                });
            }
            drop(done);
        });
    }

    /// The next passage whose nodes have time, when they have; none when there is none any more.
    fn take(&self) -> Option<Passage> {
        let mut state = self.lock();
        loop {
            if state.queue.is_empty() {
                return None;
            }
            let has_time = |node: &Node| state.busy.get(node).is_none_or(|busy| *busy < self.limit);
            let may_begin = |passage: &Passage| {
                nodes_of(passage).all(has_time) && !state.arriving.contains(&arrival(passage))
            };
            let place = state.queue.iter().position(may_begin);
            if let Some(passage) = place.and_then(|place| state.queue.remove(place)) {
                for node in nodes_of(&passage) {
                    *state.busy.entry(node.clone()).or_default() += 1;
                }
                state.arriving.insert(arrival(&passage));
                return Some(passage);
            }
            state = self.freed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A session that nobody uses now, if there is one; an error where a node is left alone.
    fn idle(&self, node: &str) -> Result<Option<Session>, Failure> {
        let mut state = self.lock();
        if let Some((count, reason)) = state.failures.get(node)
            && *count >= FAILURES
        {
            return Err(Failure::Refused(format!("{reason} (it is left alone)")));
        }
        Ok(state.idle.get_mut(node).and_then(Vec::pop))
    }

    fn note_failure(&self, node: &str, reason: &Failure) {
        let mut state = self.lock();
        let failures = state.failures.entry(node.to_owned()).or_default();
        *failures = (failures.0 + 1, reason.to_string());
    }

    fn give_back(&self, passage: &Passage) {
        let mut state = self.lock();
        for node in nodes_of(passage) {
            if let Some(busy) = state.busy.get_mut(node) {
                *busy -= 1;
            }
        }
        state.arriving.remove(&arrival(passage));
        drop(state);
        self.freed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Desk<'_> {
    /// A session with a node, which may have been opened before. Takes note of a failure, unless the node is left alone.
    pub(super) fn session(&mut self, node: &str) -> Result<&mut Session, Failure> {
        if !self.open.contains_key(node) {
            let session = self.idle_or_new(node)?;
            self.open.insert(node.to_owned(), session);
        }
        self.open.get_mut(node).ok_or_else(|| failed(node, "there is no session"))
    }

    /// Bytes that are free on a node now, and all.
    pub(super) fn room(&mut self, node: &str) -> Result<(u64, u64), Failure> {
        let room = self.session(node)?.room();
        if let Err(reason) = &room {
            self.note_failure(node, reason);
        }
        room
    }

    /// Takes note that a node failed in the middle of something: what was open is of no use any more.
    pub(super) fn note_failure(&mut self, node: &str, reason: &Failure) {
        self.open.remove(node);
        self.crew.note_failure(node, reason);
    }

    fn idle_or_new(&self, node: &str) -> Result<Session, Failure> {
        if let Some(session) = self.crew.idle(node)? {
            return Ok(session);
        }
        let login = Arc::clone(self.crew.lock().logins.entry(node.to_owned()).or_default());
        let _alone = login.lock().unwrap_or_else(PoisonError::into_inner);
        // Much may have come of it while others logged in.
        match self.crew.idle(node)? {
            Some(session) => Ok(session),
            None => self.crew.launcher.open(node).inspect_err(|reason| self.crew.note_failure(node, reason)),
        }
    }

    /// Leaves all sessions for the next.
    pub(super) fn finish(mut self) {
        self.clear();
    }

    fn clear(&mut self) {
        let mut state = self.crew.lock();
        for (node, session) in self.open.drain() {
            state.failures.remove(&node);
            state.idle.entry(node).or_default().push(session);
        }
    }
}

/// All that have part in a passage.
fn nodes_of(passage: &Passage) -> impl Iterator<Item = &Node> {
    passage.from.iter().chain([&passage.to])
}

/// What arrives where.
fn arrival(passage: &Passage) -> (Vec<u8>, Node) {
    (passage.host.clone(), passage.to.clone())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::node::writer::Writer;

    #[test]
    fn a_host_arrives_at_a_node_from_one_tier_at_a_time() {
        let launcher = Launcher {
            ssh: Vec::new(),
            command: String::new(),
            data: "/".into(),
            writer: Writer::None,
            patience: Duration::ZERO,
            destinations: BTreeMap::new(),
        };
        let crew = Crew::new(&launcher, 8);
        let passage = |host: &str, from: &str| Passage {
            host: host.into(),
            from: vec![from.to_owned()],
            to: "s9:1".to_owned(),
        };
        let [one, same, other] = [("a", "s1:1"), ("a", "s2:1"), ("b", "s1:1")].map(|(h, f)| passage(h, f));
        crew.lock().queue = [one.clone(), same.clone(), other.clone()].into();
        assert_eq!(crew.take(), Some(one.clone()));
        assert_eq!(crew.take(), Some(other));
        crew.give_back(&one);
        assert_eq!(crew.take(), Some(same));
        assert_eq!(crew.take(), None);
    }
}
