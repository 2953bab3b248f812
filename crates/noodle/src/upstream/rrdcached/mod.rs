//! A storage node by its rrdcached: lists of hosts and files, and rows.
//!
//! - `answers` answers questions with them;
//! - `cache` has rows that were just asked for;
//! - `connection` carries commands and replies; a connection that was left in the middle of a reply is closed, so that
//!   no reply ever answers another command;
//! - `lines` sends many commands as their replies come;
//! - `rows` asks for the rows of many files at a time;
//! - `tree` remembers for a while which hosts and files there are, `updates` asks when these were updated last.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use coco_core::tier::DaemonAddress;
use rrdcached::error::{Error, Malformed, Refusal};
use rrdcached::name::NameError;
use thiserror::Error as DeriveError;

use crate::budget::Exhausted;
use cache::Cache;
use connection::Connection;
pub use rows::{Path, Rows};
use tree::Tree;
pub use tree::{File, Listed, Name};

mod answers;
mod cache;
mod connection;
mod lines;
mod rows;
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
            most_kept: if terms.keep_alive { MOST_KEPT.min(terms.max_requests) } else { 0 },
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
    kept: Mutex<Vec<Connection>>,
    tree: Tree,
    cache: Cache,
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
    /// Nothing is connected yet.
    pub fn new(address: DaemonAddress, terms: Terms) -> Self {
        let tree = Tree::new(terms.tree_age);
        Self {
            address,
            terms,
            kept: Mutex::default(),
            tree,
            cache: Cache::default(),
            wants_text: AtomicBool::new(false),
        }
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
            let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut connection = match kept {
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
                        self.keep(connection);
                    }
                    return Err(trouble);
                }
                Ok(told) => {
                    self.keep(connection);
                    return Ok(told);
                }
            }
        }
    }

    fn keep(&self, mut connection: Connection) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < self.terms.most_kept && connection.is_clean() {
            kept.push(connection);
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
