use std::path::Path;
use std::time::Duration;

use coco_core::config::{Config, Program};
use coco_core::tier::{BasicAuth, ClientCertificate, RelabelRule, Tier};

use super::{coco, problems};

/// A tier of one engine with these further lines, from line 5 on.
fn text(lines: &str) -> String {
    format!(
        "listen.typesdb = 'types.db'\n[tiers.a]\nkind = 'remote_write'\nurls = ['http://e:9090/write']\n{lines}\n"
    )
}

fn told(lines: &str) -> String {
    problems(&text(lines), Program::Coco)
}

#[test]
fn a_tier_of_engines_has_defaults() {
    let config = coco(&text(""));
    let tier = config.tiers.get(0).unwrap();
    let target = &tier.targets()[0];
    assert_eq!(
        (target.name.as_str(), target.address.to_string()),
        ("http://e:9090/write", "e:9090".to_owned())
    );
    let engine = tier.remote_write().unwrap();
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    assert_eq!((engine.max_age, engine.max_ahead, engine.max_memory), (minutes(55), minutes(10), 64 << 20));
    let batches = (engine.batch_samples, engine.batch_delay, engine.timeout);
    assert_eq!(batches, (2000, Duration::from_secs(1), Duration::from_secs(30)));
    assert!(engine.basic_auth.is_none() && engine.labels.is_empty() && engine.relabel.is_empty());
    assert!(
        coco("[tiers.a]\nkind = 'collectd'\ntargets = ['a:1']")
            .tiers
            .get(0)
            .unwrap()
            .remote_write()
            .is_none()
    );
}

#[test]
fn ports_are_those_of_the_scheme() {
    for (url, address) in [
        ("http://e/x", "e:80"),
        ("https://e", "e:443"),
        ("https://[2001:db8::1]/x", "[2001:db8::1]:443"),
        ("http://10.1.1.1:8428?a=b", "10.1.1.1:8428"),
    ] {
        let config = coco(&text("").replace("http://e:9090/write", url));
        assert_eq!(config.tiers.get(0).unwrap().targets()[0].address.to_string(), address, "{url}");
    }
}

#[test]
fn every_key_is_read() {
    let config = coco(&text(
        "basic_auth = { username = 'u', password_file = '/p' }\nheaders = { X-Scope-OrgID = 'fleet' }\n\
         tls = { ca_file = '/ca', cert_file = '/c', key_file = '/k' }\nlabels = { cluster = 'a', __replica__ = 'b' }\n\
         relabel = [{ source_labels = ['__name__', 'cpu'], regex = 'a|b', action = 'keep' }]",
    ));
    let engine = config.tiers.get(0).unwrap().remote_write().unwrap();
    let auth = BasicAuth { username: "u".to_owned(), password_file: "/p".into() };
    assert_eq!(engine.basic_auth, Some(auth));
    let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    assert_eq!(engine.headers, pairs(&[("X-Scope-OrgID", "fleet")]));
    assert_eq!(engine.labels, pairs(&[("cluster", "a"), ("__replica__", "b")]));
    assert_eq!(engine.tls.ca_file.as_deref(), Some(Path::new("/ca")));
    let client = ClientCertificate { cert_file: "/c".into(), key_file: "/k".into() };
    assert_eq!(engine.tls.client, Some(client));
    let source_labels = vec!["__name__".to_owned(), "cpu".to_owned()];
    assert_eq!(engine.relabel, [RelabelRule { source_labels, regex: "a|b".to_owned(), keep: true }]);
}

#[test]
fn what_is_wrong_is_told_with_its_key() {
    for (lines, key, word) in [
        ("max_age = '0s'", "max_age", "at least 1s"),
        ("batch_samples = 0", "batch_samples", "from 1 to 10000"),
        ("labels = { '9a' = 'x' }", "labels", "no name of a label"),
        ("labels = { instance = 'x' }", "labels", "of each series itself"),
        ("labels = { a = '' }", "labels", "is empty"),
        ("labels = { a = 1 }", "labels", "`a` is no string"),
        ("headers = { Authorization = 'x' }", "headers", "Coco's to set"),
        ("headers = { 'a b' = 'x' }", "headers", "is no header"),
        ("basic_auth = { username = 'u' }", "basic_auth", "expected { username"),
        ("basic_auth = { username = 'u', password = 'p' }", "basic_auth", "expected { username"),
        (
            "basic_auth = { username = 'u', password_file = '/p' }\nbearer_token_file = '/t'",
            "bearer_token_file",
            "one of them",
        ),
        ("tls = { cert_file = '/c' }", "tls", "or neither"),
        ("tls = { ca = '/c' }", "tls", "is no file of it"),
        (
            "relabel = [{ source_labels = ['a'], regex = '(', action = 'drop' }]",
            "relabel[0].regex",
            "unclosed",
        ),
        (
            "relabel = [{ source_labels = ['a'], regex = 'a', action = 'replace' }]",
            "relabel[0].action",
            "\"drop\" or \"keep\"",
        ),
        (
            "relabel = [{ source_labels = [], regex = 'a', action = 'drop' }]",
            "relabel[0].source_labels",
            "names of labels",
        ),
        ("security_level = 'Sign'", "security_level", "kind = \"collectd\""),
        ("targets = ['a:1']", "targets", "write urls"),
    ] {
        let told = told(lines);
        assert!(told.contains(&format!(": tiers.a.{key}: ")) && told.contains(word), "{lines}: {told}");
    }
    for url in ["e:9090", "ftp://e/", "http://", "http://u:p@e/", "http://e/ a", "http://e/#a", "http://e:0/"]
    {
        let told = problems(&text("").replace("http://e:9090/write", url), Program::Coco);
        assert!(told.starts_with("line 4: tiers.a.urls[0]: "), "{url}: {told}");
    }
    let twice = text("").replace("['http://e:9090/write']", "['http://e/a', 'http://e/b', 'http://e/a']");
    assert!(problems(&twice, Program::Coco).contains("is tiers.a.urls[0] already"));
    let foreign = problems("[tiers.a]\ntargets = ['a:1']\nmax_age = '1m'\nurls = []", Program::Coco);
    assert_eq!(foreign.matches("it is for tiers of kind = \"remote_write\"").count(), 2, "{foreign}");
}

#[test]
fn samples_need_types_and_noodle_needs_something_to_read() {
    let without = text("").replace("listen.typesdb = 'types.db'\n", "");
    assert!(problems(&without, Program::Coco).contains("listen.typesdb: missing"));
    let told = problems(&format!("fetch.bind = ':1'\n{}", text("")), Program::Noodle);
    assert!(told.contains("which Noodle does not read"), "{told}");
    let both = format!("fetch.bind = ':1'\n{}[tiers.b]\ntargets = ['a:1']\n", text(""));
    let config = Config::parse(&both, Program::Noodle).unwrap();
    let names =
        |tiers: &coco_core::tier::Tiers| tiers.iter().map(|tier| tier.name().to_owned()).collect::<Vec<_>>();
    assert_eq!(
        (names(&config.tiers), names(&config.tiers.readable().unwrap())),
        (vec!["a".into(), "b".into()], vec!["b".into()])
    );
}

#[test]
fn the_configuration_that_is_shown_is_the_same() {
    let text =
        format!("{}[tiers.b]\ntargets = ['a:1']\n", text("labels = { cluster = 'a' }\nmax_age = '2h'"));
    let config = coco(&text);
    let again = coco(&config.to_toml());
    assert_eq!(config.tiers.fingerprint(), again.tiers.fingerprint());
    let engines = |config: &Config| {
        config.tiers.iter().map(|tier: &Tier| tier.remote_write().cloned()).collect::<Vec<_>>()
    };
    assert_eq!(engines(&config), engines(&again));
}
