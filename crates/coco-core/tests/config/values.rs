use std::num::NonZero;
use std::path::Path;
use std::time::Duration;

use coco_core::config::{Config, Join, Key, Level, LogFormat, Program};
use coco_core::network::Network;
use coco_core::tier::{Credentials, PasswordSource, Protection, Protocol, Target};
use coco_core::wire::SecurityLevel;

use super::{TIER, coco};

#[test]
fn a_tier_is_all_that_coco_needs() {
    let config = coco(TIER);
    assert_eq!(config.listen.bind.to_string(), ":25826");
    assert_eq!((config.listen.interface, config.listen.typesdb.len()), (None, 0));
    assert_eq!((config.listen.freebind, config.send.bind), (false, None));
    assert_eq!(config.listen.receive_buffer, 16 << 20);
    assert_eq!(config.listen.allow, None);
    assert_eq!(
        (config.listen.security.level(), config.listen.security.auth_file()),
        (SecurityLevel::None, None)
    );
    let pipeline = config.pipeline;
    let [lanes, batch, queue] = [pipeline.lanes, pipeline.batch, pipeline.queue].map(NonZero::get);
    assert_eq!((lanes, pipeline.threads.count(), batch, queue), (1, 1, 64, 8));
    assert!(config.filter.blacklist.is_none());
    assert_eq!((config.send.max_packet_size, config.send.segmentation), (1452, true));
    assert_eq!(config.send.linger, Duration::ZERO);
    assert_eq!(config.api.bind.to_string(), "127.0.0.1:9090");
    assert_eq!(config.fetch_bind, None);
    assert_eq!(config.fetch.proxy_timeout, Duration::from_secs(3));
    assert_eq!((config.fetch.protocol, config.fetch.remote_port.get()), (Protocol::Visage, 80));
    assert_eq!((config.fetch.max_rows, config.fetch.tree_age), (1_000_000, Duration::from_secs(60)));
    assert_eq!((config.fetch.join, config.fetch.settle), (Join::Gaps, Duration::from_secs(300)));
    assert!(!config.fetch.fill_gaps);
    assert_eq!(config.measure.interval, Duration::from_secs(10));
    assert_eq!(config.state.max_memory, 256 << 20);
    assert_eq!(config.state.expire, Duration::from_secs(24 * 60 * 60));
    assert_eq!(config.stop.grace, Duration::from_secs(4));
    assert_eq!((config.log.level, config.log.format, config.log.access), (Level::Info, None, false));
}

#[test]
fn files_of_types_are_one_or_several() {
    let files = |value: &str| coco(&format!("listen.typesdb = {value}\n{TIER}")).listen.typesdb;
    assert_eq!(files("'/one/types.db'"), [Path::new("/one/types.db")]);
    assert_eq!(files("['/one/types.db', 'our.db']"), [Path::new("/one/types.db"), Path::new("our.db")]);
}

#[test]
fn every_value_is_taken() {
    let config = coco(
        r#"
        send.max_packet_size = 65507
        send.segmentation = false
        send.linger = "1s"
        [listen]
        bind = "[fe80::4a42]:25826"
        interface = "eth1"
        allow = ["10.1.0.0/16", "2001:db8::1"]
        security_level = "sIGN"
        auth_file = "/etc/coco/auth"
        typesdb = "/usr/share/collectd/types.db"
        receive_buffer = 65536
        [pipeline]
        lanes = 64
        threads = 3
        spread_hosts = true
        batch = 1_024
        queue = 0x10
        [filter]
        blacklist = "^(?-u:\\xff)"
        [api]
        bind = "localhost:0"
        [fetch]
        bind = ":9080"
        proxy_timeout = "1.5s"
        remote_port = "8080"
        [measure]
        interval = "100ms"
        [state]
        max_memory = "2MiB"
        expire = "1h"
        [stop]
        grace = "500ms"
        [log]
        level = "trace"
        format = "json"
        access = true
        [[tiers.a.targets]]
        address = "storage1:25826"
        fetch = "http://storage1:8080/"
        [[tiers.a.targets]]
        address = "storage2:25826"
        [tiers.a]
        virtual_replicas = 7
        security_level = "ENCRYPT"
        username = "coco"
        password_file = "/etc/coco/password"
        "#,
    );
    assert_eq!(config.listen.bind.to_string(), "[fe80::4a42]:25826");
    assert_eq!(config.listen.interface.as_deref(), Some("eth1"));
    assert_eq!(config.listen.typesdb, [Path::new("/usr/share/collectd/types.db")]);
    let allow: Vec<_> = config.listen.allow.unwrap().iter().map(Network::to_string).collect();
    assert_eq!(allow, ["10.1.0.0/16", "2001:db8::1/128"]);
    assert_eq!(config.listen.security.level(), SecurityLevel::Sign);
    assert_eq!(config.listen.security.auth_file().unwrap().to_str(), Some("/etc/coco/auth"));
    assert_eq!(config.listen.receive_buffer, 65536);
    let pipeline = config.pipeline;
    let [lanes, batch, queue] = [pipeline.lanes, pipeline.batch, pipeline.queue].map(NonZero::get);
    assert_eq!((lanes, pipeline.threads.count(), batch, queue), (64, 3, 1024, 16));
    assert!(pipeline.spread_hosts);
    assert!(config.filter.blacklist.unwrap().is_match(b"\xff/load/load"));
    assert_eq!((config.send.max_packet_size, config.send.segmentation), (65507, false));
    assert_eq!(config.send.linger, Duration::from_secs(1));
    assert_eq!(config.api.bind.to_string(), "localhost:0");
    assert_eq!(config.fetch_bind.unwrap().to_string(), ":9080");
    assert_eq!(config.fetch.proxy_timeout, Duration::from_millis(1500));
    assert_eq!(config.fetch.remote_port.get(), 8080);
    assert_eq!(config.measure.interval, Duration::from_millis(100));
    assert_eq!(config.state.max_memory, 2 << 20);
    assert_eq!(config.state.expire, Duration::from_secs(3600));
    assert_eq!(config.stop.grace, Duration::from_millis(500));
    let json = Some(LogFormat::Json);
    assert_eq!((config.log.level, config.log.format, config.log.access), (Level::Trace, json, true));
    let tier = config.tiers.get(0).unwrap();
    assert_eq!(tier.placement().facts().virtual_replicas, Some(7));
    let credentials = Credentials {
        protection: Protection::Encrypt,
        username: "coco".to_owned(),
        password: PasswordSource::Password("/etc/coco/password".into()),
    };
    assert_eq!(tier.credentials(), Some(&credentials));
    let fetch = |target: &Target| target.fetch.as_ref().map(ToString::to_string);
    let targets: Vec<_> = tier.targets().iter().map(|target| (target.name.as_str(), fetch(target))).collect();
    let first = Some("http://storage1:8080".to_owned());
    assert_eq!(targets, [("storage1:25826", first), ("storage2:25826", None)]);
}

#[test]
fn a_blacklist_of_nothing_refuses_nothing() {
    assert!(coco(&format!("filter.blacklist = ''\n{TIER}")).filter.blacklist.is_none());
}

#[test]
fn keys_that_need_a_restart_are_compared_by_what_they_mean() {
    let changed = |program, one: &str, other: &str| {
        let [one, other] = [one, other].map(|text| {
            let text = format!("{text}\n{TIER}\n[fetch]\nbind = 'localhost:1'");
            Config::parse(&text, program).unwrap_or_else(|problems| panic!("{problems}\n{text}"))
        });
        one.needs_restart(&other).map(Key::path).collect::<Vec<_>>()
    };
    let none: [&str; 0] = [];
    assert_eq!(changed(Program::Coco, "listen.receive_buffer = 16_777_216\npipeline.threads = 1", ""), none);
    assert_eq!(
        changed(
            Program::Coco,
            "pipeline.threads = 2\nlisten.bind = '[fe80::1]:1'\nlisten.interface = 'eth0'",
            ""
        ),
        ["listen.bind", "listen.interface", "pipeline.threads"]
    );
    assert_eq!(
        changed(Program::Coco, "log.level = 'warn'\nmeasure.interval = '1s'", "filter.blacklist = 'a'"),
        none
    );
    assert_eq!(changed(Program::Noodle, "listen.bind = ':1'", ""), none);
}
