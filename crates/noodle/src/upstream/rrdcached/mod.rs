//! A storage node by its rrdcached: lists of hosts and files, and rows.
//!
//! - `answers` answers questions with them;
//! - `remembered` is what targets said a moment ago, on a `shelf`, `cache` the rows there;
//! - `connection` carries commands and replies; a connection that was left in the middle of a reply is closed, so that
//!   no reply ever answers another command;
//! - `lines` sends many commands as their replies come;
//! - `rows` asks for the rows of many files at a time;
//! - `tree` remembers for a while which hosts and files there are, `updates` asks when these were updated last.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use coco_core::tier::DaemonAddress;
use rrdcached::error::{Error, Malformed, Refusal};
use rrdcached::name::NameError;
use thiserror::Error as DeriveError;

use super::kept::{Kept, Room};
use crate::budget::Exhausted;
use connection::Connection;
pub use remembered::Remembered;
pub use rows::{Found, Path, Rows};
use tree::Tree;
pub use tree::{File, Listed, Name};

mod answers;
mod cache;
mod connection;
mod lines;
mod remembered;
mod rows;
mod shelf;
mod tree;
mod updates;

/// Connections that are kept while nobody uses them: each is a thread of the daemon.
const MOST_KEPT: usize = 8;

/// What a node is asked by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// For all attempts to connect together.
    pub timeout: Duration,
    /// How many connections are kept while nobody uses them.
    pub most_kept: usize,
    /// Rows of one file that a node may be asked for.
    pub max_rows: u64,
    /// How long hosts and files are remembered.
    pub tree_age: Duration,
}

/// Why a node gave no answer, by what to do next.
#[derive(Debug, DeriveError)]
pub enum Trouble {
    /// There is no connection.
    #[error("cannot connect: {0}")]
    Connect(#[source] io::Error),
    /// The connection ended.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// What came is no reply; the connection is closed.
    #[error("not a reply of rrdcached: {0}")]
    Malformed(#[from] Malformed),
    /// The daemon refuses, as it would again.
    #[error(transparent)]
    Refused(Refusal),
    /// More rows than [`Terms::max_rows`]: a matter of the request.
    #[error("{rows} rows of {step} s, more than {limit} (fetch.max_rows)")]
    TooManyRows {
        /// So many.
        rows: u64,
        /// Seconds from one to the next.
        step: i64,
        /// The limit.
        limit: u64,
    },
    /// No file can have this name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// `fetch.max_memory` is used up.
    #[error("too many large answers are under way")]
    Memory,
}

impl From<&super::Terms> for Terms {
    fn from(terms: &super::Terms) -> Self {
        Self {
            timeout: terms.timeout,
            most_kept: if terms.keep_alive { MOST_KEPT.min(terms.max_requests.get()) } else { 0 },
            max_rows: terms.max_rows,
            tree_age: terms.tree_age,
        }
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(refusal) => Self::Refused(refusal),
            Error::Malformed(malformed) => Self::Malformed(malformed),
        }
    }
}

impl From<Exhausted> for Trouble {
    fn from(_: Exhausted) -> Self {
        Self::Memory
    }
}

/// A daemon, with the connections to it that are not in use.
#[derive(Debug)]
pub struct Rrdcached {
    address: DaemonAddress,
    terms: Terms,
    kept: Arc<Kept<Connection>>,
    tree: Tree,
    remembered: Arc<Remembered>,
    /// By which it is told from others there.
    number: u64,
    /// Whether it refuses FETCHBIN, and is asked by FETCH.
    wants_text: AtomicBool,
}

/// Commands, and their replies.
trait Talk {
    /// Whether it is one command: then a refusal is all that comes.
    const IS_ONE: bool;
    /// What comes of it.
    type Told;

    /// Sends and reads over a connection, from the beginning each time.
    fn talk(
        &mut self,
        connection: &mut Connection,
    ) -> impl Future<Output = Result<Self::Told, Trouble>> + Send;
}

impl Rrdcached {
    /// Nothing is connected yet. Connections are kept in `room`, and what was said in `remembered`.
    pub fn new(address: DaemonAddress, terms: Terms, room: Room, remembered: Arc<Remembered>) -> Self {
        let (kept, tree) = (Kept::new(room, terms.most_kept), Tree::new(terms.tree_age));
        let number = remembered.target();
        Self { address, terms, kept, tree, remembered, number, wants_text: AtomicBool::new(false) }
    }

    /// What it is asked by.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Does something over a connection, and keeps it if all that was asked for has come, and nothing else.
    ///
    /// A daemon that was started anew has closed what is kept, so on such a connection the end of it means: once more.
    async fn converse<T: Talk>(&self, mut talk: T) -> Result<T::Told, Trouble> {
        loop {
            let mut connection = match self.kept.take() {
                Some(connection) => connection,
                None => {
                    Connection::open(&self.address, self.terms.timeout).await.map_err(Trouble::Connect)?
                }
            };
            let was_kept = connection.has_answered;
            match talk.talk(&mut connection).await {
                Err(Trouble::Io(error)) if was_kept && is_end(&error) => {}
                Err(trouble) => {
                    if T::IS_ONE && matches!(trouble, Trouble::Refused(_)) {
                        self.kept.put(connection);
                    }
                    return Err(trouble);
                }
                Ok(told) => {
                    self.kept.put(connection);
                    return Ok(told);
                }
            }
        }
    }

    /// Whether rows are asked for as text.
    fn wants_text(&self) -> bool {
        self.wants_text.load(Ordering::Relaxed)
    }
}

/// Whether the other side has closed the connection.
fn is_end(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    use tokio::net::TcpListener;

    use super::*;
    use crate::budget::Budget;

    /// What nobody can connect to, nor has to.
    pub(super) fn nowhere() -> Rrdcached {
        at(DaemonAddress::Unix("/dev/null/nowhere".into()))
    }

    pub(super) fn at(address: DaemonAddress) -> Rrdcached {
        let terms = Terms {
            timeout: Duration::from_secs(60),
            most_kept: 8,
            max_rows: 1000,
            tree_age: Duration::from_secs(60),
        };
        Rrdcached::new(address, terms, Room::new(), Arc::default())
    }

    /// It came behind the reply that was waited for, when the connection lay there for the next question.
    #[tokio::test]
    async fn a_reply_that_comes_while_nobody_waits_ends_its_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let node = at(DaemonAddress::Internet(listener.local_addr().unwrap().to_string().parse().unwrap()));
        let (tell, told) = tokio::sync::oneshot::channel::<()>();
        let server = tokio::spawn(async move {
            let asked = async |reply: &[u8]| {
                let mut stream = BufReader::new(listener.accept().await.unwrap().0);
                stream.read_line(&mut String::new()).await.unwrap();
                stream.write_all(reply).await.unwrap();
                stream
            };
            let mut first = asked(b"0 5\n").await;
            told.await.unwrap();
            first.write_all(b"0 6\n").await.unwrap();
            (first, asked(b"0 7\n").await)
        });
        let path = [Path::new(b"web1", b"load", b"load")];
        assert_eq!(node.newest_update(&path).await.unwrap(), Some(5));
        assert_eq!(node.kept.count(), 1);
        tell.send(()).unwrap();
        let has_come = async {
            while let Some(connection) = node.kept.take() {
                node.kept.put(connection);
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), has_come).await.expect("the late reply is noticed");
        assert_eq!(node.newest_update(&path).await.unwrap(), Some(7));
        server.await.unwrap();
    }

    /// Nobody waits for a list that is made anew before it is too old.
    #[tokio::test]
    async fn a_list_that_took_long_is_made_anew_when_it_is_half_as_old_as_it_may_be() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let node = Arc::new(at(DaemonAddress::Internet(
            listener.local_addr().unwrap().to_string().parse().unwrap(),
        )));
        let budget = Budget::new(1 << 20);
        for (took, is_due) in [(400, false), (600, true)] {
            node.tree.remember(&[b"web1"], Duration::from_secs(40), Duration::from_millis(took), &budget);
            assert_eq!(node.hosts(&budget).await.unwrap().items, [Name::from(*b"web1")]);
            assert_eq!(node.tree.is_being_listed(), is_due, "{took}");
        }
        // It never gets an answer.
        let mut stream = BufReader::new(listener.accept().await.unwrap().0);
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        assert_eq!(line, "LIST /\n");
        assert_eq!(node.hosts(&budget).await.unwrap().items, [Name::from(*b"web1")]);
    }
}
