//! Reading `[tiers.NAME]` of `kind = "remote_write"`: how engines are written to.

use regex::Regex;
use toml::Spanned;
use toml::de::DeValue;

use super::Kind;
use super::document::Section;
use super::keys::{ENGINE_KEYS, EXPECTED_RULE, EXPECTED_URL, STORAGE_KEYS};
use super::value::{FromToml, Mismatch, Pairs, found, text};
use super::written::path;
use crate::address::Address;
use crate::tier::{BasicAuth, ClientCertificate, RelabelRule, RemoteWrite, Target, Tiers, Tls};

/// Labels that are those of each series.
const OWN_LABELS: [&str; 2] = ["__name__", "instance"];

/// Headers that are Coco's to set.
const OWN_HEADERS: [&str; 9] = [
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "transfer-encoding",
    "user-agent",
    "x-prometheus-remote-write-version",
];

/// Whether a tier is one of engines. Keys that say nothing for its kind are reported.
pub(super) fn is_engine(section: &mut Section<'_, '_>) -> bool {
    let is_engine = section.read::<TierKind>("kind") == TierKind::RemoteWrite;
    let (strangers, other) =
        if is_engine { (STORAGE_KEYS, "collectd") } else { (ENGINE_KEYS, "remote_write") };
    for key in strangers {
        if section.has(key) {
            section.report(key, &format!("says nothing here: it is for tiers of kind = {other:?}"));
        }
    }
    if is_engine && section.has("targets") {
        section
            .report("targets", "says nothing here: write urls = [\"http://host:port/path\"] for this kind");
    }
    is_engine
}

/// The engines of a tier.
pub(super) fn targets(
    elements: &[(String, &Spanned<DeValue<'_>>)],
    section: &mut Section<'_, '_>,
) -> Option<Vec<Target>> {
    let read = elements.iter().map(|(path, value)| {
        EngineUrl::from_toml(&Kind::Urls, value.get_ref())
            .map(|EngineUrl { url, address }| {
                let mut target = Target::new(&url, address);
                target.placed.name = Some(url);
                target
            })
            .map_err(|mismatch| {
                let message = mismatch.message(EXPECTED_URL, value.get_ref());
                section.findings.report(Some(value.span()), path, &message);
            })
            .ok()
    });
    read.collect::<Vec<_>>().into_iter().collect()
}

/// Reads how engines are written to.
pub(super) fn remote_write(section: &mut Section<'_, '_>) -> RemoteWrite {
    let basic_auth = basic_auth(section);
    let bearer_token_file = section.optional("bearer_token_file");
    if basic_auth.is_some() && bearer_token_file.is_some() {
        section.report("bearer_token_file", "there is basic_auth already: expected one of them");
    }
    RemoteWrite {
        basic_auth,
        bearer_token_file,
        headers: headers(section),
        tls: tls(section),
        labels: labels(section),
        relabel: relabel(section),
        max_age: section.read("max_age"),
        max_ahead: section.read("max_ahead"),
        max_memory: section.read("max_memory"),
        batch_samples: section.read("batch_samples"),
        batch_delay: section.read("batch_delay"),
        timeout: section.read("timeout"),
    }
}

/// Why tiers can't do without types.db: engines get samples by the data sources that it has.
pub(super) fn need_of_types(tiers: &Tiers) -> Option<String> {
    let tier = tiers.iter().find(|tier| tier.remote_write().is_some())?;
    let (expected, name) = (Kind::Paths, tier.name());
    Some(format!(
        "missing, expected {expected}: tiers.{name} is of kind = \"remote_write\", whose samples are named by types.db"
    ))
}

fn labels(section: &mut Section<'_, '_>) -> Vec<(String, String)> {
    let Pairs(labels) = section.optional("labels").unwrap_or_default();
    for (name, value) in &labels {
        if !is_label(name) {
            section
                .report("labels", &format!("{name:?} is no name of a label: expected letters, digits and _"));
        } else if OWN_LABELS.contains(&name.as_str()) {
            section.report("labels", &format!("{name:?} is of each series itself: expected another name"));
        } else if value.is_empty() {
            section.report("labels", &format!("{name:?} is empty, which is no label: remove it"));
        }
    }
    labels
}

fn is_label(name: &str) -> bool {
    let may_stand = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.bytes().all(may_stand) && !name.is_empty() && !name.as_bytes()[0].is_ascii_digit()
}

fn headers(section: &mut Section<'_, '_>) -> Vec<(String, String)> {
    let Pairs(headers) = section.optional("headers").unwrap_or_default();
    let is_token = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    for (name, value) in &headers {
        if !is_token(name) || value.bytes().any(|byte| !(b' '..=b'~').contains(&byte)) {
            let message =
                format!("{name:?} is no header: expected a name such as \"X-Scope-OrgID\" and visible ASCII");
            section.report("headers", &message);
        } else if OWN_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
            let message =
                format!("{name:?} is Coco's to set: remove it; basic_auth and bearer_token_file say as whom");
            section.report("headers", &message);
        }
    }
    headers
}

fn basic_auth(section: &mut Section<'_, '_>) -> Option<BasicAuth> {
    let Pairs(fields) = section.optional("basic_auth")?;
    match &fields[..] {
        [(first, one), (second, two)] if !one.is_empty() && !two.is_empty() => {
            let (username, password_file) = match (first.as_str(), second.as_str()) {
                ("username", "password_file") => (one, two),
                ("password_file", "username") => (two, one),
                _ => return no_basic_auth(section),
            };
            if username.contains(|character: char| character == ':' || character.is_control()) {
                section.report("basic_auth", "a username has no colon and no control character");
            }
            Some(BasicAuth { username: username.clone(), password_file: password_file.into() })
        }
        _ => no_basic_auth(section),
    }
}

fn no_basic_auth(section: &mut Section<'_, '_>) -> Option<BasicAuth> {
    section.report("basic_auth", "expected { username = \"...\", password_file = \"...\" }");
    None
}

fn tls(section: &mut Section<'_, '_>) -> Tls {
    let Pairs(fields) = section.optional("tls").unwrap_or_default();
    let field = |key: &str| fields.iter().find(|(name, _)| name == key).map(|(_, value)| value.into());
    let known = ["ca_file", "cert_file", "key_file"];
    if let Some((stray, _)) =
        fields.iter().find(|(name, value)| !known.contains(&name.as_str()) || value.is_empty())
    {
        let message =
            format!("{stray:?} is no file of it, expected paths behind ca_file, cert_file and key_file");
        section.report("tls", &message);
    }
    let client = match (field("cert_file"), field("key_file")) {
        (Some(cert_file), Some(key_file)) => Some(ClientCertificate { cert_file, key_file }),
        (None, None) => None,
        _ => {
            section.report("tls", "a client has cert_file and key_file, or neither");
            None
        }
    };
    Tls { ca_file: field("ca_file"), client }
}

fn relabel(section: &mut Section<'_, '_>) -> Vec<RelabelRule> {
    let Some(elements) = section.elements("relabel") else { return Vec::new() };
    let mut rules = Vec::new();
    for (place, value) in elements {
        match rule(value.get_ref()) {
            Ok(rule) => rules.push(rule),
            Err((key, message)) => {
                let place = if key.is_empty() { place } else { path(&place, key) };
                section.findings.report(Some(value.span()), &place, &message);
            }
        }
    }
    rules
}

/// A rule, or the key that is wrong about it and why.
fn rule(value: &DeValue<'_>) -> Result<RelabelRule, (&'static str, String)> {
    let expected = format!("expected {EXPECTED_RULE}, found {}", found(value));
    let table = value.as_table().ok_or_else(|| ("", expected.clone()))?;
    let known = ["source_labels", "regex", "action"];
    if let Some((stray, _)) = table.iter().find(|(key, _)| !known.contains(&key.get_ref().as_ref())) {
        return Err(("", format!("unknown key `{}`, expected {EXPECTED_RULE}", stray.get_ref())));
    }
    let of = |key: &str| table.get(key).map(Spanned::get_ref);
    let keep = match of("action").and_then(DeValue::as_str) {
        Some("keep") => true,
        Some("drop") => false,
        _ => return Err(("action", "expected \"drop\" or \"keep\"".to_owned())),
    };
    let regex = of("regex").and_then(DeValue::as_str).ok_or_else(|| ("regex", expected.clone()))?;
    Regex::new(regex).map_err(|problem| {
        let drawing = problem.to_string();
        ("regex", drawing.lines().last().unwrap_or_default().to_owned())
    })?;
    let labels =
        of("source_labels").and_then(DeValue::as_array).ok_or_else(|| ("source_labels", expected.clone()))?;
    let label = |label: &Spanned<DeValue<'_>>| {
        label.get_ref().as_str().filter(|label| is_label(label)).map(str::to_owned)
    };
    let source_labels: Option<Vec<String>> = labels.iter().map(label).collect();
    let source_labels = source_labels.filter(|labels| !labels.is_empty());
    let source_labels = source_labels
        .ok_or_else(|| ("source_labels", "expected names of labels, such as \"__name__\"".to_owned()))?;
    Ok(RelabelRule { source_labels, regex: regex.to_owned(), keep })
}

/// The kind of a tier's targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TierKind {
    Collectd,
    RemoteWrite,
}

impl FromToml for TierKind {
    fn from_toml(_: &Kind, value: &DeValue<'_>) -> Result<Self, Mismatch> {
        match text(value)? {
            "collectd" => Ok(Self::Collectd),
            "remote_write" => Ok(Self::RemoteWrite),
            _ => Err(Mismatch::Limits),
        }
    }
}

/// Where an engine takes samples.
#[derive(Debug)]
struct EngineUrl {
    url: String,
    address: Address,
}

impl FromToml for EngineUrl {
    fn from_toml(_: &Kind, value: &DeValue<'_>) -> Result<Self, Mismatch> {
        let url = text(value)?;
        let because = |reason: &str| Mismatch::Because(reason.to_owned());
        let (rest, port) = match (url.strip_prefix("http://"), url.strip_prefix("https://")) {
            (Some(rest), _) => (rest, 80),
            (None, Some(rest)) => (rest, 443),
            _ => return Err(because("it must start with http:// or https://")),
        };
        if url.bytes().any(|byte| !(b'!'..=b'~').contains(&byte)) || url.contains('#') {
            return Err(because("only visible ASCII without # can be sent"));
        }
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err(because("no user stands in it: basic_auth says as whom"));
        }
        if authority.is_empty() {
            return Err(because("missing host"));
        }
        let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
        let address = if has_port { authority.to_owned() } else { format!("{authority}:{port}") };
        let address: Address = address.parse().map_err(|error| Mismatch::Stated(format!("{error}")))?;
        if address.is_all() || address.port() == 0 {
            return Err(because("missing host or port"));
        }
        Ok(Self { url: url.to_owned(), address })
    }
}
