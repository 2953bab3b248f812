//! The table of all keys. Reading, the sample file and the manual follow it: a new key is a line here, a field in
//! the section's struct, and its paragraph in `coco.sample.conf`.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::error::alternatives;
use super::{Level, Program, duration, size};
use crate::placement::rendezvous::Weight;
use crate::placement::ring::MAX_VIRTUAL_REPLICAS;
use crate::placement::{MAX_REPLICAS, Way};
use crate::tier::Protocol;
use crate::wire::SecurityLevel;
use crate::wire::part::{LONGEST_NAME_MAX, USER_MAX};

/// A key of `coco.conf`.
#[derive(Debug, Clone)]
pub struct Key {
    /// The table it stands in: `listen`, or `tiers.NAME` where every name is the operator's.
    pub section: &'static str,
    /// Its name in that table.
    pub name: &'static str,
    /// The values that may be written there.
    pub kind: Kind,
    /// The value that holds when the key is absent, as TOML; none when the key has no default.
    pub default: Option<&'static str>,
    /// The programs that read it. The values of all keys are checked for both, since both read one file.
    pub read_by: &'static [Program],
    /// The programs that refuse to start without it.
    pub required_by: &'static [Program],
    /// Whether a running process can't change it.
    pub needs_restart: bool,
    /// Its effect, for operators.
    pub meaning: &'static str,
}

/// The values that may be written for a key. Displayed as the words behind "expected".
#[derive(Debug, Clone)]
pub enum Kind {
    /// `"host:port"`; an empty host means all addresses.
    Address,
    /// A string that is not empty.
    Name,
    /// The path of a file.
    Path,
    /// The path of a file, or an array of them.
    Paths,
    /// An IP address without a port.
    Ip,
    /// A regular expression over bytes; an empty one matches nothing.
    Regex,
    /// A whole number.
    Integer(RangeInclusive<u64>),
    /// Bytes: a whole number, or a string with a unit.
    Size(RangeInclusive<u64>),
    /// A string that [`duration::parse`] reads, at least this long.
    Duration(Duration),
    /// The same, no longer than this; it may be zero.
    DurationUpTo(Duration),
    /// A port, as an integer or a string; an empty string means the default.
    Port,
    /// The root of an HTTP server, or where an rrdcached listens.
    Url,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// `true` or `false`.
    Boolean,
    /// A [`Level`].
    Level,
    /// An array of targets.
    Targets,
    /// An array of [`Network`](crate::network::Network)s, not empty.
    Networks,
    /// An array of [`Origin`](crate::origin::Origin)s.
    Origins,
    /// A [`SecurityLevel`], in any case of letters.
    SecurityLevel,
    /// The name of a user in collectd's AuthFile, short enough to be sent.
    User,
    /// A [`Way`] to place hosts.
    Way,
    /// The name of a target or a zone.
    Label,
    /// A whole number, which may be negative.
    Index,
    /// A [`Percentage`](crate::placement::canary::Percentage) of the hosts.
    Percentage,
    /// An array of names of targets, and of targets.
    FromTargets,
    /// A piece of a name for Graphite, which may have dots.
    NamePiece,
    /// A character that may stand in such a name.
    Character,
    /// An array of URLs of engines.
    Urls,
    /// A table of strings, of the operator's names or of these.
    Pairs(&'static str),
    /// An array of rules by which series are dropped.
    Rules,
}

/// The section of every tier.
pub(super) const TIER: &str = "tiers.NAME";
/// The section of a target that is written as a table.
pub(super) const TARGET: &str = "tiers.NAME.targets";
/// The section of a tier's hosts that are on their way.
pub(super) const MIGRATION: &str = "tiers.NAME.migration";
/// The section of what those come from.
pub(super) const FROM: &str = "tiers.NAME.migration.from";
/// The section of a target that those come from, which is written as a table.
pub(super) const FROM_TARGET: &str = "tiers.NAME.migration.from.targets";

/// The form of a rule by which series are dropped.
pub(super) const EXPECTED_RULE: &str =
    r#"{ source_labels = ["__name__"], regex = "...", action = "drop" or "keep" }"#;

/// The form of an engine.
pub(super) const EXPECTED_URL: &str = r#"a URL such as "http://10.1.1.121:9090/api/v1/write""#;

/// Keys of tiers whose targets are collectds.
pub(super) const STORAGE_KEYS: &[&str] = &["security_level", "username", "password_file", "auth_file"];
/// Keys of tiers whose targets are engines.
pub(super) const ENGINE_KEYS: &[&str] = &[
    "urls",
    "basic_auth",
    "bearer_token_file",
    "headers",
    "tls",
    "labels",
    "relabel",
    "max_age",
    "max_ahead",
    "max_memory",
    "batch_samples",
    "batch_delay",
    "timeout",
];

/// The longest time that packets may be held back: beyond it, nothing more is gained.
const LINGER_MAX: Duration = Duration::from_secs(1);

/// Bytes of what a target or a zone may be called.
pub(super) const LABEL_MAX: usize = 255;

/// The ways to write a target.
pub(super) const TARGET_FORMS: &str =
    r#""host:port" or { address = "host:port", fetch = "http://host:port" }"#;

/// The forms of a target that hosts come from.
pub(super) const FROM_TARGET_FORMS: &str =
    r#"the name of a target or { name = "...", address = "host:port" }"#;

/// The ways to write where a node is read.
const READ_FROM: &str = r#""http://host:port", "rrdcached://host:port" or "rrdcached:///path""#;

const COCO: &[Program] = &[Program::Coco];
const NOODLE: &[Program] = &[Program::Noodle];
const BOTH: &[Program] = &[Program::Coco, Program::Noodle];

/// Every key, in the order of the sample file.
#[rustfmt::skip]
pub const KEYS: &[Key] = &[
    key("listen", "bind", Kind::Address, COCO, "UDP address at which collectd's packets arrive; `:PORT` means all addresses, a multicast group is joined").or(r#"":25826""#).at_start(),
    key("listen", "interface", Kind::Name, COCO, "network interface for a multicast group or an IPv6 link-local address").at_start(),
    key("listen", "freebind", Kind::Boolean, COCO, "whether `bind` may be an address that this machine does not have yet, such as that of a VPN or one that moves from machine to machine").or("false").at_start(),
    key("listen", "allow", Kind::Networks, COCO, "who may send; without it, everyone"),
    key("listen", "security_level", Kind::SecurityLevel, COCO, "what packets must be, in any case of letters: at `Sign` what is neither signed nor encrypted is ignored, at `Encrypt` what is not encrypted").or(r#""None""#),
    key("listen", "auth_file", Kind::Path, COCO, "users and passwords, as collectd's AuthFile; read again when it changes; needed to verify signatures and to decrypt"),
    key("listen", "typesdb", Kind::Paths, COCO, "collectd's types.db, or several; not needed to forward, unreadable is fatal"),
    key("listen", "max_name_length", Kind::Integer(127..=LONGEST_NAME_MAX as u64 - 1), COCO, "longest name taken, in bytes; more than the default is for agents and storage nodes that were built with a larger `DATA_MAX_NAME_LEN`").or("127"),
    key("listen", "receive_buffer", Kind::Size(4096..=1 << 30), COCO, "socket buffer that holds packets while Coco is busy, in bytes").or(r#""16MiB""#).at_start(),

    key("pipeline", "lanes", Kind::Integer(1..=64), COCO, "independent pipelines, each with its own socket on the same port").or("1").at_start(),
    key("pipeline", "threads", Kind::Integer(1..=3), COCO, "threads that carry the three stages of a lane").or("1").at_start(),
    key("pipeline", "spread_hosts", Kind::Boolean, COCO, "whether lanes hand each other the hosts that senders behind one port bring; needs 2 threads").or("false").at_start(),
    key("pipeline", "batch", Kind::Integer(1..=1024), COCO, "datagrams that are received, decided and sent together").or("64").at_start(),
    key("pipeline", "queue", Kind::Integer(1..=1024), COCO, "batches that wait between two stages before the earlier one has to wait").or("8").at_start(),

    key("filter", "blacklist", Kind::Regex, COCO, "value lists are dropped when this matches `host/plugin/plugin instance/type/type instance`").or(r#""""#),

    key("send", "bind", Kind::Ip, COCO, "IP address of this machine to send from; targets are sent to at addresses of its family alone; without it, the system chooses"),
    key("send", "max_packet_size", Kind::Integer(1024..=65507), COCO, "largest datagram sent, in bytes; a collectd receives no more than its own MaxPacketSize").or("1452"),
    key("send", "segmentation", Kind::Boolean, COCO, "whether packets to one target are given to the kernel together, made one size by padding that receivers skip; `false` sends each by itself, as it is").or("true"),
    key("send", "linger", Kind::DurationUpTo(LINGER_MAX), COCO, "longest time that a packet which is not full is held back for more to its target, where targets are many; `0s` sends at once").or(r#""0s""#),
    key("send", "recovery", Kind::Duration(Duration::from_millis(100)), COCO, "a target that was down is up again when nothing has gone wrong for so long; what counts as flapping follows").or(r#""10s""#),
    key("send", "resolve_interval", Kind::Duration(Duration::from_secs(1)), COCO, "longest time until a target's name is looked up again; sooner while it is down").or(r#""60s""#),
    key("send", "reconnect_interval", Kind::Duration(Duration::ZERO), COCO, "time after which a target is sent to from another port, for routers and balancers on the way that go by ports; `0s` is never, unless it refuses").or(r#""0s""#),

    key(TIER, "targets", Kind::Targets, BOTH, "storage nodes; on a ring their order decides who owns what").required_by(BOTH),
    key(TIER, "hash", Kind::Way, BOTH, "how hosts are placed: by points on a ring, as ever; as carbon-c-relay does; or by names, weights and zones of the targets, which is what new tiers should use").or(r#""ring""#),
    key(TIER, "replicas", Kind::Integer(1..=MAX_REPLICAS as u64), BOTH, "copies of every host in this tier, each on a target of its own; more than 1 not on a ring").or("1"),
    key(TIER, "virtual_replicas", Kind::Integer(1..=MAX_VIRTUAL_REPLICAS as u64), BOTH, "points of each target on the ring; without it, by the number of targets"),
    key(TIER, "security_level", Kind::SecurityLevel, COCO, "how packets leave: as they are, signed or encrypted").or(r#""None""#),
    key(TIER, "username", Kind::User, COCO, "as whom packets are signed or encrypted"),
    key(TIER, "password_file", Kind::Path, COCO, "file of the user's password alone"),
    key(TIER, "auth_file", Kind::Path, COCO, "in place of `password_file`: users and passwords, as collectd's AuthFile"),
    key(TIER, "kind", Kind::OneOf(&["collectd", "remote_write"]), BOTH, "what the targets are: collectds, which take packets at `targets`, or engines, which take samples by Prometheus' remote write at `urls`").or(r#""collectd""#),
    key(TIER, "urls", Kind::Urls, BOTH, "where engines take samples; hosts are spread over them with all their series; for `kind = \"remote_write\"`, as all keys below"),
    key(TIER, "basic_auth", Kind::Pairs(r#"{ username = "...", password_file = "..." }"#), COCO, "as whom engines are written to, by name and password"),
    key(TIER, "bearer_token_file", Kind::Path, COCO, "as whom, by a token; read again every minute, and when it is refused"),
    key(TIER, "headers", Kind::Pairs(r#"such as { X-Scope-OrgID = "fleet" }"#), COCO, "further headers of each request"),
    key(TIER, "tls", Kind::Pairs(r#"{ ca_file = "...", cert_file = "...", key_file = "..." }"#), COCO, "who signs for engines at `https://`, without it whom the system trusts; the certificate of Coco, if they want one"),
    key(TIER, "labels", Kind::Pairs(r#"such as { cluster = "a" }"#), COCO, "labels of all series, beside their own"),
    key(TIER, "relabel", Kind::Rules, COCO, "rules by which series are dropped, or all others are; as Prometheus' `write_relabel_configs`"),
    key(TIER, "max_age", Kind::Duration(Duration::from_secs(1)), COCO, "samples that are older are dropped; a Prometheus takes what is an hour behind its newest").or(r#""55m""#),
    key(TIER, "max_ahead", Kind::Duration(Duration::ZERO), COCO, "samples that are further ahead of Coco's clock are dropped: one of them may have a Prometheus refuse all others").or(r#""10m""#),
    key(TIER, "max_memory", Kind::Size(1 << 20..=1 << 40), COCO, "memory for what waits for one engine and what is known of its series; what is beyond is dropped, oldest first").or(r#""64MiB""#),
    key(TIER, "batch_samples", Kind::Integer(1..=10_000), COCO, "most samples of a request").or("2000"),
    key(TIER, "batch_delay", Kind::Duration(Duration::ZERO), COCO, "how long samples are gathered for a request").or(r#""1s""#),
    key(TIER, "timeout", Kind::Duration(Duration::from_millis(100)), COCO, "longest wait for an engine's answer").or(r#""30s""#),
    key(TARGET, "address", Kind::Address, BOTH, "UDP address of the storage node").required_by(BOTH),
    key(TARGET, "name", Kind::Label, BOTH, "what no other target of the tier is called; a rendezvous goes by it; without it, the address"),
    key(TARGET, "weight", Kind::Integer(1..=Weight::MAX.get() as u64), BOTH, "part of the hosts in proportion to the other targets of a rendezvous; without it, 100"),
    key(TARGET, "zone", Kind::Label, BOTH, "what fails as a whole, such as a rack: a rendezvous has the copies of a host in different zones; for all targets or for none"),
    key(TARGET, "index", Kind::Index, BOTH, "place among the targets of a jump, wherever it is listed; for all targets or for none"),
    key(TARGET, "fetch", Kind::Url, NOODLE, "where the node serves its data: its Visage or its rrdcached; without it, the host of the address and `fetch.remote_port`"),
    key(TARGET, "state", Kind::OneOf(&["active", "draining"]), BOTH, "whether it owns hosts, or they leave it, by `migration`; without it, active"),
    key(MIGRATION, "both", Kind::Percentage, BOTH, "part of the hosts that move which is written to former and new owners").or(r#""0%""#),
    key(MIGRATION, "new", Kind::Percentage, BOTH, "part of the hosts that move which is written to the new owners alone; at most `both`").or(r#""0%""#),
    key(FROM, "hash", Kind::Way, BOTH, "how hosts were placed; without it, as they are"),
    key(FROM, "replicas", Kind::Integer(1..=MAX_REPLICAS as u64), BOTH, "copies that every host had; without it, as many as there are to be"),
    key(FROM, "virtual_replicas", Kind::Integer(1..=MAX_VIRTUAL_REPLICAS as u64), BOTH, "points that each target had on the ring; without it, by the number of targets"),
    key(FROM, "targets", Kind::FromTargets, BOTH, "targets that had the hosts, in their order; without it, all of the tier, those that are draining too"),
    key(FROM_TARGET, "name", Kind::Label, BOTH, "what the target was called; one that the tier lists is that one, but for what stands here"),
    key(FROM_TARGET, "address", Kind::Address, BOTH, "where it was, if elsewhere: that is another place"),
    key(FROM_TARGET, "weight", Kind::Integer(1..=Weight::MAX.get() as u64), BOTH, "the weight that it had"),
    key(FROM_TARGET, "zone", Kind::Label, BOTH, "the zone that it had"),
    key(FROM_TARGET, "index", Kind::Index, BOTH, "the index that it had"),
    key(FROM_TARGET, "fetch", Kind::Url, NOODLE, "where it serves its data, if the tier does not list its address"),

    key("api", "bind", Kind::Address, COCO, "HTTP address of Coco's API and counters").or(r#""127.0.0.1:9090""#).at_start(),
    key("api", "idle_timeout", Kind::Duration(Duration::from_secs(1)), COCO, "how long a connection is kept for the next request").or(r#""75s""#).at_start(),

    key("fetch", "bind", Kind::Address, NOODLE, "HTTP address of Noodle").required_by(NOODLE).at_start(),
    key("fetch", "idle_timeout", Kind::Duration(Duration::from_secs(1)), NOODLE, "how long a client's connection is kept for the next request").or(r#""75s""#).at_start(),
    key("fetch", "proxy_timeout", Kind::Duration(Duration::from_nanos(1)), NOODLE, "longest wait for the answer of one target").or(r#""3s""#),
    key("fetch", "recovery", Kind::Duration(Duration::from_millis(100)), NOODLE, "a target that did not answer is up again when it answers and nothing has gone wrong for so long; what counts as flapping follows").or(r#""10s""#),
    key("fetch", "protocol", Kind::OneOf(Protocol::WORDS), NOODLE, "what answers on targets that do not say where to `fetch`: a Visage over HTTP, or an rrdcached").or(r#""visage""#),
    key("fetch", "remote_port", Kind::Port, NOODLE, "port at which that listens on every target; without it, 80 for Visage and 42217 for rrdcached"),
    key("fetch", "keep_alive", Kind::Boolean, NOODLE, "whether connections to targets are used again").or("true"),
    key("fetch", "max_requests", Kind::Integer(1..=4096), NOODLE, "requests to one target at a time; others wait up to `proxy_timeout`").or("64"),
    key("fetch", "max_window", Kind::Duration(Duration::from_secs(1)), NOODLE, "longest time between `start` and `finish`; a longer one starts later, or by remote read is answered with 400").or(r#""8760h""#),
    key("fetch", "max_hosts", Kind::Integer(1..=100_000), NOODLE, "hosts that one request may name, within the 64 KiB of a path").or("1000"),
    key("fetch", "max_body", Kind::Size(1024..=1 << 30), NOODLE, "largest answer of a target, in bytes").or(r#""16MiB""#),
    key("fetch", "max_form", Kind::Size(1024..=1 << 30), NOODLE, "largest form that a client may send, and largest question of remote read once it is unpacked, in bytes").or(r#""1MiB""#),
    key("fetch", "max_memory", Kind::Size(1 << 20..=1 << 40), NOODLE, "memory for the answers that are under way, in bytes").or(r#""256MiB""#),
    key("fetch", "max_rows", Kind::Integer(1000..=100_000_000), NOODLE, "rows of one series that an rrdcached may be asked for; a longer window is answered with 400").or("1000000"),
    key("fetch", "tree_age", Kind::Duration(Duration::ZERO), NOODLE, "how long the hosts and files of an rrdcached are remembered").or(r#""60s""#),
    key("fetch", "join", Kind::OneOf(&["gaps", "never", "always"]), NOODLE, "when the next tier is asked for a host that an rrdcached has rows of: where some are unknown, never, or always").or(r#""gaps""#),
    key("fetch", "prefer", Kind::OneOf(&["first", "any"]), NOODLE, "which copy of a host is asked first where a tier has several: that of the first owner, or each in turn of those that are well").or(r#""first""#),
    key("fetch", "settle", Kind::Duration(Duration::ZERO), NOODLE, "unknown rows behind the last known one are no gap while that is younger: a node keeps values in memory").or(r#""5m""#),
    key("fetch", "fill_gaps", Kind::Boolean, NOODLE, "whether unknown rows from an rrdcached show the last value before them, as those of Visage do; `false` shows null").or("false"),
    key("fetch", "metadata", Kind::Boolean, NOODLE, "whether answers say in `_meta` where they come from").or("true"),
    key("fetch", "jsonp", Kind::Boolean, NOODLE, "whether `callback=NAME` is answered, for pages of the same host and those of `fetch.allow_origin`").or("true"),
    key("fetch", "allow_origin", Kind::Origins, NOODLE, "web pages of other hosts that may read answers, with CORS and with JSON-P; without it, none"),

    key("graphite", "prefix", Kind::NamePiece, NOODLE, "stands in front of every host in the names that Graphite's clients see, such as `collectd.`; as collectd's `Prefix`"),
    key("graphite", "postfix", Kind::NamePiece, NOODLE, "stands behind every host there; as collectd's `Postfix`"),
    key("graphite", "escape_character", Kind::Character, NOODLE, r#"stands for dots, white space, control characters and `"\:!,/()` in names; as collectd's `EscapeCharacter`"#).or(r#""_""#),
    key("graphite", "separate_instances", Kind::Boolean, NOODLE, "whether instances are nodes of their own, `cpu.0` rather than `cpu-0`; as collectd's `SeparateInstances`").or("false"),
    key("graphite", "always_append_ds", Kind::Boolean, NOODLE, "whether the name of a data source stands behind a metric that has only one; as collectd's `AlwaysAppendDS`").or("false"),
    key("graphite", "preserve_separator", Kind::Boolean, NOODLE, "whether dots in names stay, so that they part nodes; as collectd's `PreserveSeparator`").or("false"),
    key("graphite", "host_in_dots", Kind::Boolean, NOODLE, "whether dots in the names of hosts stay, though none in those of metrics may; without it, as `preserve_separator`"),
    key("graphite", "max_series", Kind::Integer(1..=10_000_000), NOODLE, "series that the targets of one request may have, or its queries by remote read").or("20000"),
    key("graphite", "max_points", Kind::Integer(1..=10_000_000_000), NOODLE, "values that the series of one request may have together; with 8 bytes each they may take no more than a quarter of `fetch.max_memory`, by remote read with 64 bytes each no more than half of it").or("20000000"),
    key("graphite", "require_all", Kind::Boolean, NOODLE, "whether a request fails with 502 where a storage node does not answer; else it is answered with what the others have").or("false"),

    key("measure", "interval", Kind::Duration(Duration::from_millis(100)), COCO, "time between two summaries of hosts and metrics, and looks at what the kernel dropped").or(r#""10s""#),

    key("state", "max_memory", Kind::Size(1 << 20..=1 << 40), COCO, "memory for the hosts and metrics that a lane remembers; what is beyond is still forwarded").or(r#""256MiB""#),
    key("state", "expire", Kind::Duration(Duration::from_secs(1)), COCO, "a host or metric that was silent for so long is forgotten").or(r#""24h""#),

    key("stop", "drain", Kind::Duration(Duration::ZERO), BOTH, "time for which everything is still served before a stop, while `/healthz` is 503").or(r#""0s""#),
    key("stop", "grace", Kind::Duration(Duration::from_millis(500)), BOTH, "longest time a stop may take once the drain is over").or(r#""4s""#),

    key("log", "level", Kind::Level, BOTH, "least severity that is logged").or(r#""info""#),
    key("log", "format", Kind::OneOf(&["text", "json", "journald"]), BOTH, "what a line is: text with time and level; an object of JSON; or as systemd's journal takes it, a priority in front and no time. Without it, `journald` where standard output goes to the journal, otherwise `text`"),
    key("log", "access", Kind::Boolean, BOTH, "whether each request over HTTP is logged when it is answered, whatever the level").or("false"),
];

/// The keys of a section.
pub(super) fn of_section(section: &str) -> impl Iterator<Item = &'static Key> {
    KEYS.iter().filter(move |key| key.section == section)
}

/// The names of the sections within a section.
pub(super) fn inner_sections(section: &str) -> impl Iterator<Item = &'static str> {
    let inner = move |key: &Key| key.section.strip_prefix(section)?.strip_prefix('.');
    KEYS.iter().filter_map(inner).filter(|name| !name.contains('.') && *name != "targets")
}

/// The tables at the top of the file.
pub(super) fn top_sections() -> impl Iterator<Item = &'static str> {
    let tops = KEYS.iter().map(|key| key.section.split('.').next().unwrap_or(key.section));
    // Keys of one section stand together, so comparing with the one before is enough.
    let mut last = "";
    tops.filter(move |top| std::mem::replace(&mut last, top) != *top)
}

/// A key that is optional, has no default and can change while the program runs; [`Key::or`], [`Key::required_by`] and
/// [`Key::at_start`] say otherwise.
const fn key(
    section: &'static str,
    name: &'static str,
    kind: Kind,
    read_by: &'static [Program],
    meaning: &'static str,
) -> Key {
    Key { section, name, kind, default: None, read_by, required_by: &[], needs_restart: false, meaning }
}

impl Key {
    /// Section and name: `listen.bind`.
    pub fn path(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }

    const fn or(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self
    }

    const fn at_start(mut self) -> Self {
        self.needs_restart = true;
        self
    }

    const fn required_by(mut self, programs: &'static [Program]) -> Self {
        self.required_by = programs;
        self
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address => f.write_str(r#""host:port""#),
            Self::Name => f.write_str("a string that is not empty"),
            Self::Path => f.write_str("the path of a file"),
            Self::Paths => f.write_str("the path of a file, or an array of them"),
            Self::Ip => f.write_str(r#"an IP address without a port, such as "10.1.1.7""#),
            Self::Regex => f.write_str("a regular expression"),
            Self::Integer(limits) => write!(f, "a whole number from {} to {}", limits.start(), limits.end()),
            Self::Size(limits) => {
                let [least, most] = [limits.start(), limits.end()].map(|bytes| size::format(*bytes));
                write!(f, r#"a size in bytes from {least} to {most}, such as 65536 or "64KiB""#)
            }
            Self::Duration(least) => {
                f.write_str(r#"a duration such as "10s" or "1m30s""#)?;
                match least.as_nanos() {
                    0 => Ok(()),
                    1 => f.write_str(", longer than 0"),
                    _ => write!(f, ", at least {}", duration::format(*least)),
                }
            }
            Self::DurationUpTo(most) => {
                write!(f, r#"a duration such as "5ms", at most {}"#, duration::format(*most))
            }
            Self::Port => f.write_str("a port from 1 to 65535"),
            Self::Url => f.write_str(READ_FROM),
            Self::OneOf(words) => {
                let words: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
                f.write_str(&alternatives(&words))
            }
            Self::Boolean => f.write_str("true or false"),
            Self::Level => {
                let names: Vec<String> =
                    Level::ALL.iter().map(|level| format!("{:?}", level.as_str())).collect();
                f.write_str(&alternatives(&names))
            }
            Self::Targets => {
                write!(f, "an array of {TARGET_FORMS}")
            }
            Self::Networks => f.write_str(r#"an array of networks such as "10.1.0.0/16" or "2001:db8::1""#),
            Self::Origins => f.write_str(
                r#"an array of origins such as "https://graphs.example.org" or "http://10.1.1.5:8080""#,
            ),
            Self::SecurityLevel => {
                let names: Vec<String> =
                    SecurityLevel::ALL.iter().map(|level| format!("{:?}", level.as_str())).collect();
                f.write_str(&alternatives(&names))
            }
            Self::Way => {
                let names: Vec<String> = Way::ALL.iter().map(|way| format!("{:?}", way.as_str())).collect();
                f.write_str(&alternatives(&names))
            }
            Self::Label => write!(f, "a name of 1 to {LABEL_MAX} bytes without control characters"),
            Self::Index => f.write_str("a whole number"),
            Self::Percentage => f.write_str(r#""0%" to "100%", with at most two decimals"#),
            Self::FromTargets => write!(f, "an array of {FROM_TARGET_FORMS}"),
            Self::NamePiece => f.write_str("a piece of a name in visible ASCII, such as \"collectd.\""),
            Self::Urls => write!(f, "an array of {EXPECTED_URL}"),
            Self::Pairs(form) => write!(f, "a table {form}"),
            Self::Rules => write!(f, "an array of {EXPECTED_RULE}"),
            Self::Character => f.write_str(
                "one character of visible ASCII that means nothing in a target and is not replaced itself",
            ),
            Self::User => write!(f, "a name of 1 to {USER_MAX} bytes without a colon"),
        }
    }
}
