//! The terms on which engines are written to: their configuration, with the files that it names read.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use coco_core::address::Address;
use coco_core::config::CocoConfig;
use coco_core::tier::{RemoteWrite, Target, Tier, Tls};
use coco_core::types_db::TypesDb;
use coco_daemon::files::{self, Accept};
use hyper::header::HeaderValue;
use remote_write::queue::Settings;
use remote_write::relabel::{Action, Rule};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;

/// Why an engine can't be written to as configured.
#[derive(Debug, Error)]
#[error("tiers.{tier}.{key}: {what}")]
pub struct TermsError {
    tier: String,
    key: &'static str,
    what: String,
}

/// The terms of all tiers of engines.
#[derive(Debug, Default)]
pub struct Engines(Vec<(String, Arc<Shared>)>);

/// The terms that all engines of a tier share.
struct Shared {
    remote_write: Arc<RemoteWrite>,
    types: Arc<TypesDb>,
    tls: Option<Arc<ClientConfig>>,
    rules: Vec<Rule>,
    authorization: Option<Authorization>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.remote_write.fmt(f)
    }
}

/// As whom an engine is written to, and where that can be read again.
#[derive(Clone)]
pub(super) struct Authorization {
    pub(super) value: HeaderValue,
    source: Source,
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.path.fmt(f)
    }
}

#[derive(Debug, Clone)]
struct Source {
    username: Option<String>,
    path: PathBuf,
}

/// The terms of one engine.
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) settings: Settings,
    pub(super) types: Arc<TypesDb>,
    /// Bytes that lanes may hand over before they are looked at.
    pub(super) hand_over: usize,
    pub(super) timeout: Duration,
    pub(super) address: Address,
    /// The name that a certificate has to have, and by whom it is trusted; none for plain HTTP.
    pub(super) tls: Option<(ServerName<'static>, Arc<ClientConfig>)>,
    /// The path and the query of its URL; then the value of the header field `Host`.
    pub(super) path: String,
    pub(super) host: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) authorization: Option<Authorization>,
}

impl Engines {
    /// Of the tiers of a configuration, by types.db. Reads the files that they name.
    pub fn read(config: &CocoConfig, types: &Arc<TypesDb>, accept: Accept) -> Result<Self, Vec<TermsError>> {
        let (mut engines, mut errors) = (Vec::new(), Vec::new());
        for tier in &config.tiers {
            let Some(remote_write) = tier.remote_write() else { continue };
            match Shared::read(tier, remote_write, types, accept) {
                Ok(shared) => engines.push((tier.name().to_owned(), Arc::new(shared))),
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() { Ok(Self(engines)) } else { Err(errors) }
    }

    /// The terms of a target of a tier; none if it is no engine.
    pub(super) fn terms(&self, tier: &str, target: &Target) -> Option<Terms> {
        let (_, shared) = self.0.iter().find(|(name, _)| name == tier)?;
        let (rest, is_secure) = match target.name.strip_prefix("https://") {
            Some(rest) => (rest, true),
            None => (target.name.strip_prefix("http://")?, false),
        };
        let authority = rest.find(['/', '?']).map_or(rest, |end| &rest[..end]);
        let path = &rest[authority.len()..];
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let server = is_secure.then(|| ServerName::try_from(target.address.host().to_owned()).ok()).flatten();
        let remote_write = &shared.remote_write;
        let hand_over = remote_write.max_memory / 4;
        let milliseconds = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        let settings = Settings {
            max_age: milliseconds(remote_write.max_age),
            max_ahead: milliseconds(remote_write.max_ahead),
            max_memory: remote_write.max_memory - hand_over,
            batch_samples: remote_write.batch_samples,
            batch_delay: milliseconds(remote_write.batch_delay),
            labels: remote_write.labels.clone(),
            relabel: shared.rules.clone(),
        };
        Some(Terms {
            settings,
            types: Arc::clone(&shared.types),
            hand_over,
            timeout: remote_write.timeout,
            address: target.address.clone(),
            tls: server.zip(shared.tls.clone()),
            path,
            host: authority.to_owned(),
            headers: remote_write.headers.clone(),
            authorization: shared.authorization.clone(),
        })
    }
}

impl Shared {
    fn read(
        tier: &Tier,
        remote_write: &Arc<RemoteWrite>,
        types: &Arc<TypesDb>,
        accept: Accept,
    ) -> Result<Self, TermsError> {
        let error = |key, what| TermsError { tier: tier.name().to_owned(), key, what };
        let is_secure = tier.targets().iter().any(|target| target.name.starts_with("https://"));
        let unnamed = |target: &&Target| ServerName::try_from(target.address.host().to_owned()).is_err();
        let secure = |target: &&Target| target.name.starts_with("https://");
        if let Some(target) = tier.targets().iter().filter(secure).find(unnamed) {
            return Err(error("urls", format!("{}: no certificate has such a name", target.name)));
        }
        let tls = if is_secure {
            let config = client_config(&remote_write.tls, accept).map_err(|what| error("tls", what))?;
            Some(Arc::new(config))
        } else {
            None
        };
        let source = match (&remote_write.basic_auth, &remote_write.bearer_token_file) {
            (Some(auth), _) => Some(("basic_auth", Some(auth.username.clone()), auth.password_file.clone())),
            (None, Some(path)) => Some(("bearer_token_file", None, path.clone())),
            (None, None) => None,
        };
        let authorization = match source {
            Some((key, username, path)) => {
                let source = Source { username, path };
                let read = source.read(accept);
                let value =
                    read.map_err(|problem| error(key, format!("{}: {problem}", source.path.display())))?;
                Some(Authorization { value, source })
            }
            None => None,
        };
        let rule = |rule: &coco_core::tier::RelabelRule| {
            let action = if rule.keep { Action::Keep } else { Action::Drop };
            Rule::new(rule.source_labels.clone(), &rule.regex, action)
        };
        let rules = remote_write.relabel.iter().map(rule).collect::<Result<_, _>>();
        let rules = rules.map_err(|problem| error("relabel", problem.to_string()))?;
        Ok(Self {
            remote_write: Arc::clone(remote_write),
            types: Arc::clone(types),
            tls,
            rules,
            authorization,
        })
    }
}

impl Authorization {
    /// As the file has it now. Takes a few seconds at most.
    pub(super) fn read_again(&self) -> io::Result<HeaderValue> {
        self.source.read(Accept::Files)
    }
}

impl Source {
    fn read(&self, accept: Accept) -> io::Result<HeaderValue> {
        let secret = zeroize::Zeroizing::new(files::read_text(&self.path, accept)?);
        let secret = secret.trim();
        if secret.is_empty() {
            return Err(io::Error::other("there is nothing in it"));
        }
        let value = match &self.username {
            Some(username) => format!("Basic {}", base64(format!("{username}:{secret}").as_bytes())),
            None => format!("Bearer {secret}"),
        };
        let mut value = HeaderValue::try_from(value).map_err(|_| io::Error::other("not visible ASCII"))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let at = |index: usize| u32::from(three.get(index).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for digit in 0..4 {
            let value = (bits >> (18 - 6 * digit)) & 63;
            text.push(if digit > three.len() { '=' } else { char::from(DIGITS[value as usize]) });
        }
    }
    text
}

fn client_config(tls: &Tls, accept: Accept) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    match &tls.ca_file {
        Some(path) => {
            for certificate in certificates(path, accept)? {
                roots.add(certificate).map_err(|problem| format!("{}: {problem}", path.display()))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|problem| problem.to_string())?.with_root_certificates(roots);
    let Some(client) = &tls.client else { return Ok(builder.with_no_client_auth()) };
    let named = |problem: &dyn fmt::Display| format!("{}: {problem}", client.key_file.display());
    let key = files::read(&client.key_file, accept).map_err(|problem| named(&problem))?;
    let key = PrivateKeyDer::from_pem_slice(&key.bytes).map_err(|problem| named(&problem))?;
    let chain = certificates(&client.cert_file, accept)?;
    builder.with_client_auth_cert(chain, key).map_err(|problem| named(&problem))
}

fn certificates(path: &Path, accept: Accept) -> Result<Vec<CertificateDer<'static>>, String> {
    let named = |problem: &dyn fmt::Display| format!("{}: {problem}", path.display());
    let text = files::read(path, accept).map_err(|problem| named(&problem))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text.bytes).collect();
    let certificates = certificates.map_err(|problem| named(&problem))?;
    if certificates.is_empty() { Err(named(&"there is no certificate in it")) } else { Ok(certificates) }
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn digits_are_those_of_the_rfc() {
        for (text, expected) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")]
        {
            assert_eq!(base64(text.as_bytes()), expected);
        }
    }
}
