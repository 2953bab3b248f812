//! All that keeps Coco from starting, or from going over to another configuration.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::{fmt, io};

use coco_core::address::Address;
use coco_daemon::handed_over::Stray;
use coco_daemon::http::BindError;
use thiserror::Error;

use crate::outlets::TermsError;
use crate::secrets::SecretError;

/// Why a coco does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// A configured types.db that is not there or is not allowed to be read.
    #[error("listen.typesdb: cannot read {}: {source}", path.display())]
    TypesDb {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The UDP address is taken, or not this machine's.
    #[error("listen.bind: cannot receive at {address}: {source}")]
    Listen {
        /// As configured.
        address: Address,
        /// The system's answer.
        source: io::Error,
    },
    /// Sockets were handed over, and not one for each lane.
    #[error(
        "pipeline.lanes: {lanes}, but {sockets} handed over for listen.bind (LISTEN_FDS): expected one for each lane, with \
         ReusePort=yes"
    )]
    Lanes {
        /// As configured.
        lanes: usize,
        /// Number of sockets handed over.
        sockets: usize,
    },
    /// A socket was handed over that is not Coco's.
    #[error(transparent)]
    Stray(#[from] Stray),
    /// The address to send from is not this machine's.
    #[error("send.bind: cannot send from {address}: {source}")]
    Source {
        /// As configured.
        address: IpAddr,
        /// The system's answer.
        source: io::Error,
    },
    /// A network interface that is not there.
    #[error("listen.interface: {name}: {source}")]
    Interface {
        /// As configured.
        name: String,
        /// The system's answer.
        source: io::Error,
    },
    /// A key that does not fit what `listen.bind` resolves to.
    #[error("{key}: {problem} ({address})")]
    Misfit {
        /// The key's path.
        key: &'static str,
        /// The misfit.
        problem: &'static str,
        /// The address that `listen.bind` resolves to.
        address: SocketAddr,
    },
    /// The HTTP address is taken, or not this machine's.
    #[error("api.bind: {0}")]
    Api(#[from] BindError),
    /// A target leads back to where coco listens.
    #[error("tiers.{tier}.targets: {target} ({address}) is where this coco itself listens: a loop")]
    Loop {
        /// The tier's name.
        tier: Arc<str>,
        /// The target as configured.
        target: Arc<str>,
        /// The address that it resolves to.
        address: SocketAddr,
    },
    /// An engine that can't be written to as configured.
    #[error(transparent)]
    Engine(#[from] TermsError),
    /// A file of passwords that is not as it must be.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The system refuses sockets, or the like.
    #[error("cannot start: {0}")]
    System(io::Error),
}

/// All that keeps a coco from starting, or from going over to another configuration. Displayed as one line each.
#[derive(Debug, Default)]
pub struct StartErrors(Vec<StartError>);

impl StartErrors {
    /// Each of them.
    pub fn iter(&self) -> std::slice::Iter<'_, StartError> {
        self.0.iter()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of a result; its errors are added to these.
    pub(crate) fn unless<T>(&mut self, result: Result<T, impl Into<Self>>) -> Option<T> {
        result.map_err(|errors| self.0.append(&mut errors.into().0)).ok()
    }

    pub(super) fn push(&mut self, error: StartError) {
        self.0.push(error);
    }

    /// The value, if nothing is wrong.
    pub(super) fn or<T>(self, value: T) -> Result<T, Self> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }
}

impl From<StartError> for StartErrors {
    fn from(error: StartError) -> Self {
        Self(vec![error])
    }
}

impl From<io::Error> for StartErrors {
    fn from(error: io::Error) -> Self {
        StartError::System(error).into()
    }
}

impl FromIterator<StartError> for StartErrors {
    fn from_iter<I: IntoIterator<Item = StartError>>(errors: I) -> Self {
        Self(errors.into_iter().collect())
    }
}

impl fmt::Display for StartErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for StartErrors {}
