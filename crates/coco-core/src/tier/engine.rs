//! Engines that take samples by Prometheus' remote write, as the targets of a tier.

use std::path::PathBuf;
use std::time::Duration;

/// The terms on which the engines of a tier are written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteWrite {
    /// As whom, by a name and a password.
    pub basic_auth: Option<BasicAuth>,
    /// As whom, by a token in a file.
    pub bearer_token_file: Option<PathBuf>,
    /// Further headers of each request.
    pub headers: Vec<(String, String)>,
    /// Certificates for `https://`: of authorities, and our own.
    pub tls: Tls,
    /// Labels of all series.
    pub labels: Vec<(String, String)>,
    /// Which series are dropped.
    pub relabel: Vec<RelabelRule>,
    /// Samples that are older are dropped.
    pub max_age: Duration,
    /// Samples of a time to come that is further away are dropped.
    pub max_ahead: Duration,
    /// Bytes of what waits, for each engine.
    pub max_memory: usize,
    /// Most samples of a request.
    pub batch_samples: usize,
    /// The time for which samples are gathered.
    pub batch_delay: Duration,
    /// Longest wait for an answer.
    pub timeout: Duration,
}

/// A user, and where the password is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BasicAuth {
    /// The name.
    pub username: String,
    /// The file of the password alone.
    pub password_file: PathBuf,
}

/// Files of certificates, as PEM.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// The authorities that sign for engines; without it, those that the system trusts.
    pub ca_file: Option<PathBuf>,
    /// The certificate of this client and its key.
    pub client: Option<ClientCertificate>,
}

/// The certificate of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate, and those that lead to who signed it.
    pub cert_file: PathBuf,
    /// Its key.
    pub key_file: PathBuf,
}

/// A rule by which series are dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelabelRule {
    /// Labels whose values are joined by `;`.
    pub source_labels: Vec<String>,
    /// The expression that has to match all of them, from the first character to the last; a valid one.
    pub regex: String,
    /// Whether what matches is kept, or dropped.
    pub keep: bool,
}
