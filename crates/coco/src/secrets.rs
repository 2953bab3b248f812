//! Reading passwords. None of them is ever shown: problems name keys, files and lines.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use coco_core::tier::{Credentials, PasswordSource, Protection, Tiers};
use coco_core::wire::{InitializationVectors, Seal, Users};
use coco_daemon::files::{self, Accept};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::share::OutletId;

/// Why there is no password.
#[derive(Debug, Error)]
#[error("{key}: {}: {reason}", path.display())]
pub struct SecretError {
    key: String,
    path: PathBuf,
    reason: Reason,
}

#[derive(Debug, Error)]
enum Reason {
    #[error("cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error("there is no user {0:?} in it")]
    NoUser(String),
    #[error("there is no password in it")]
    NoPassword,
}

/// The marks by which a file is known as the one that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    is_file: bool,
    modified: Option<SystemTime>,
    size: u64,
    inode: u64,
    device: u64,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            is_file: metadata.is_file(),
            modified: metadata.modified().ok(),
            size: metadata.size(),
            inode: metadata.ino(),
            device: metadata.dev(),
        }
    }
}

/// A file of users and passwords, as collectd's AuthFile, that can be looked at again.
#[derive(Debug, Clone)]
pub struct AuthFile {
    key: &'static str,
    path: PathBuf,
    stamp: Stamp,
}

/// The fate of a file since it was read.
#[derive(Debug)]
pub enum Look {
    /// Nothing.
    Same,
    /// It was read again: its new state, its users, and what an operator should know.
    Changed(AuthFile, Users, Vec<String>),
}

impl AuthFile {
    /// Reads the file that `key` names. Also returns its users and what an operator should know of it.
    pub fn open(
        key: &'static str,
        path: &Path,
        accept: Accept,
    ) -> Result<(Self, Users, Vec<String>), SecretError> {
        let read = files::read(path, accept).map_err(|reason| error(key, path, reason.into()))?;
        let (users, ignored) = Users::parse(&read.bytes);
        let mut warnings: Vec<_> = too_open(key, path, &read.metadata).into_iter().collect();
        let told = |what: &str| format!("{key}: {}: {what}", path.display());
        warnings.extend(
            ignored.iter().map(|line| told(&format!("line {line} has no user and password: ignored"))),
        );
        if users.is_empty() {
            warnings.push(told("there are no users in it"));
        }
        Ok((Self { key, path: path.to_owned(), stamp: Stamp::of(&read.metadata) }, users, warnings))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads it again if it is not as it was.
    pub fn look(&self) -> Result<Look, SecretError> {
        let Self { key, path, stamp } = self;
        let metadata = files::metadata(path).map_err(|reason| error(key, path, reason.into()))?;
        let now = Stamp::of(&metadata);
        // A pipe can't be read again.
        if now == *stamp || !(now.is_file || stamp.is_file) {
            return Ok(Look::Same);
        }
        Self::open(key, path, Accept::Files)
            .map(|(file, users, warnings)| Look::Changed(file, users, warnings))
    }
}

/// Signing and encrypting for each outlet, in the order of [`Outlets`](crate::outlets::Outlets): `None` for as they are. By
/// default that is so for all.
#[derive(Debug, Clone, Default)]
pub struct Seals(Box<[Option<Arc<Seal>>]>);

impl Seals {
    /// Reads the passwords of all tiers. `warnings` gets what an operator should know of their files.
    pub fn read(tiers: &Tiers, accept: Accept, warnings: &mut Vec<String>) -> Result<Self, Vec<SecretError>> {
        let (mut seals, mut errors) = (Vec::new(), Vec::new());
        for tier in tiers {
            let seal = tier.credentials().map(|credentials| seal(tier.name(), credentials, accept, warnings));
            let seal = seal.transpose().unwrap_or_else(|error| {
                errors.push(error);
                None
            });
            let seal = seal.map(Arc::new);
            seals.extend(tier.targets().iter().map(|_| seal.clone()));
        }
        if errors.is_empty() { Ok(Self(seals.into())) } else { Err(errors) }
    }

    /// Signing or encrypting for an outlet, `None` if packets leave as they are.
    #[inline]
    pub fn get(&self, outlet: OutletId) -> Option<&Arc<Seal>> {
        self.0.get(outlet.number())?.as_ref()
    }

    /// By how many bytes the packets grow that leave to these outlets, at most.
    pub fn overhead(&self, outlets: &[OutletId]) -> usize {
        outlets.iter().filter_map(|&outlet| self.get(outlet)).map(|seal| seal.overhead()).max().unwrap_or(0)
    }
}

/// Initialization vectors that nobody foresees. Each lane needs some of its own.
pub fn initialization_vectors() -> io::Result<InitializationVectors> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *seed)?;
    Ok(InitializationVectors::new(&seed))
}

fn seal(
    tier: &str,
    credentials: &Credentials,
    accept: Accept,
    warnings: &mut Vec<String>,
) -> Result<Seal, SecretError> {
    let Credentials { protection, username, password } = credentials;
    let (name, path) = match password {
        PasswordSource::Password(path) => ("password_file", path),
        PasswordSource::AuthFile(path) => ("auth_file", path),
    };
    let key = format!("tiers.{tier}.{name}");
    let read = files::read(path, accept).map_err(|reason| error(&key, path, reason.into()))?;
    warnings.extend(too_open(&key, path, &read.metadata));
    let password = match password {
        PasswordSource::Password(_) => {
            let end = read.bytes.iter().rposition(|byte| !b"\r\n".contains(byte)).map_or(0, |last| last + 1);
            if end == 0 {
                return Err(error(&key, path, Reason::NoPassword));
            }
            &read.bytes[..end]
        }
        PasswordSource::AuthFile(_) => Users::password(&read.bytes, username.as_bytes())
            .ok_or_else(|| error(&key, path, Reason::NoUser(username.clone())))?,
    };
    Ok(match protection {
        Protection::Sign => Seal::signing(username.as_bytes(), password),
        Protection::Encrypt => Seal::encrypting(username.as_bytes(), password),
    })
}

fn too_open(key: &str, path: &Path, metadata: &Metadata) -> Option<String> {
    let is_too_open = metadata.mode() & 0o004 != 0;
    is_too_open.then(|| format!("{key}: {}: everyone on this machine can read it: chmod o-r", path.display()))
}

fn error(key: &str, path: &Path, reason: Reason) -> SecretError {
    SecretError { key: key.to_owned(), path: path.to_owned(), reason }
}
