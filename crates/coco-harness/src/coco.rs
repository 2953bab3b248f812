//! A real Coco: its configuration, its process, its API.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use serde_json::Value;

use crate::curl::{self, Response};
use crate::directory::Directory;
use crate::process::Process;
use crate::program::{self, Ended, Program, logged_address};

/// The table of types that Debian's collectd-core brings.
pub const TYPES_DB: &str = "/usr/share/collectd/types.db";

/// A `coco.conf` with two sockets on free ports of loopback.
#[derive(Clone, Debug)]
pub struct Config {
    /// `listen.bind`
    pub listen: String,
    /// `pipeline.lanes`
    pub lanes: u32,
    /// `pipeline.threads`
    pub threads: u32,
    /// `filter.blacklist`
    pub blacklist: String,
    /// `tiers.NAME.targets`, in this order.
    pub tiers: Vec<(String, Vec<String>)>,
    /// `fetch` of targets: where Noodle asks them.
    pub fetch: BTreeMap<String, String>,
}

impl Config {
    /// Tiers of these targets, and a blacklist that refuses nothing.
    #[must_use]
    pub fn new<T: ToString>(tiers: &[(&str, &[T])]) -> Self {
        let tier = |(name, targets): &(&str, &[T])| {
            ((*name).to_owned(), targets.iter().map(ToString::to_string).collect())
        };
        Self {
            listen: "127.0.0.1:0".to_owned(),
            lanes: 1,
            threads: 1,
            blacklist: String::new(),
            tiers: tiers.iter().map(tier).collect(),
            fetch: BTreeMap::new(),
        }
    }

    /// With this blacklist.
    #[must_use]
    pub fn blacklist(mut self, regex: &str) -> Self {
        regex.clone_into(&mut self.blacklist);
        self
    }

    /// With this URL to ask a target.
    #[must_use]
    pub fn fetch(mut self, target: &str, url: &str) -> Self {
        self.fetch.insert(target.to_owned(), url.to_owned());
        self
    }

    /// The text of the file, which both daemons read.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!(
            "[listen]\nbind = \"{}\"\ntypesdb = \"{TYPES_DB}\"\n[pipeline]\nlanes = {}\nthreads = {}\n[filter]\nblacklist = '{}'\n\
             [api]\nbind = \"127.0.0.1:0\"\n[fetch]\nbind = \"127.0.0.1:0\"\n[measure]\ninterval = \"200ms\"\n",
            self.listen, self.lanes, self.threads, self.blacklist
        );
        for (name, targets) in &self.tiers {
            let target = |target: &String| match self.fetch.get(target) {
                None => format!("{target:?}"),
                Some(url) => format!("{{ address = {target:?}, fetch = {url:?} }}"),
            };
            let targets = targets.iter().map(target).collect::<Vec<_>>().join(", ");
            writeln!(text, "[tiers.{name}]\ntargets = [{targets}]").expect("a String takes all");
        }
        text
    }
}

/// A running Coco.
#[derive(Debug)]
pub struct Coco {
    /// Where it takes collectd's packets.
    pub listen: SocketAddr,
    /// Where it speaks HTTP.
    pub api: SocketAddr,
    /// The process, for signals and output.
    pub process: Process,
    directory: Directory,
}

impl Coco {
    /// Starts Coco with the given configuration and waits until it says that it is ready.
    ///
    /// # Panics
    /// When it doesn't come up.
    #[must_use]
    pub fn start(config: &str) -> Self {
        Self::started(program::start(Program::Coco, config))
    }

    /// The same with another build of it.
    ///
    /// # Panics
    /// When it doesn't come up.
    #[must_use]
    pub fn start_build(build: &Path, config: &str) -> Self {
        Self::started(program::start_build(Program::Coco, build, config))
    }

    fn started((process, directory): (Process, Directory)) -> Self {
        let log = process.stdout();
        Self {
            listen: logged_address(&log, "listening for collectd packets"),
            api: logged_address(&log, "serving HTTP"),
            process,
            directory,
        }
    }

    /// The file that it reads.
    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        self.directory.path().join("coco.conf")
    }

    /// Writes another configuration, without telling.
    pub fn write_config(&self, config: &str) {
        self.directory.write("coco.conf", config);
    }

    /// Puts a pipe that nobody writes to in the place of the configuration.
    ///
    /// # Panics
    /// When the system makes no pipe.
    pub fn replace_config_by_pipe(&self) {
        self.directory.pipe("coco.conf");
    }

    /// Writes another configuration, says so by SIGHUP, and waits until it is taken over or refused. Returns the lines
    /// that the log has for it.
    pub fn reload(&mut self, config: &str) -> String {
        self.write_config(config);
        self.process.reload()
    }

    /// GETs a path of the API.
    #[must_use]
    pub fn get(&self, path: &str) -> Response {
        curl::get(&format!("http://{}{path}", self.api))
    }

    /// The JSON behind a path.
    ///
    /// # Panics
    /// When the status isn't 200.
    #[must_use]
    pub fn json(&self, path: &str) -> Value {
        curl::json(&format!("http://{}{path}", self.api))
    }

    /// The object `coco` of `/debug/vars`.
    #[must_use]
    pub fn counters(&self) -> Counters {
        Counters(self.json("/debug/vars")["coco"].take())
    }

    /// The target that owns a host, as `/lookup` names it.
    ///
    /// # Panics
    /// When it names none.
    #[must_use]
    pub fn owner(&self, host: &str, tier: &str) -> String {
        let answer = self.json(&format!("/lookup?name={host}"));
        answer[tier].as_str().unwrap_or_else(|| panic!("no {tier} in {answer}")).to_owned()
    }

    /// Two host names for each place of these tiers, of which all have as many targets.
    ///
    /// The ring knows targets by their place, not by their address, so a host has the same place in every such tier.
    ///
    /// # Panics
    /// When it has not.
    #[must_use]
    pub fn two_hosts_of_each_place<T: AsRef<str>>(&self, tiers: &[(&str, &[T])]) -> Vec<[String; 2]> {
        let mut of_place = vec![Vec::new(); tiers[0].1.len()];
        for host in (0..).map(|number| format!("agent-{number}.example.org")) {
            let place = |(tier, targets): &(&str, &[T])| {
                let owner = self.owner(&host, tier);
                targets.iter().position(|target| target.as_ref() == owner).expect("an owner is a target")
            };
            let places: Vec<_> = tiers.iter().map(place).collect();
            assert!(places.iter().all(|place| *place == places[0]), "{host}: {places:?}");
            of_place[places[0]].push(host);
            if of_place.iter().all(|hosts| hosts.len() >= 2) {
                break;
            }
        }
        let two = |hosts: Vec<_>| hosts.into_iter().take(2).collect::<Vec<_>>().try_into();
        of_place.into_iter().map(|hosts| two(hosts).expect("there are two of each")).collect()
    }

    /// Waits until this many value lists have been decoded and each has gone where it belongs, and returns the
    /// counters then.
    pub fn settled(&mut self, decoded: u64) -> Counters {
        let api = self.api;
        let seen = RefCell::new(Value::Null);
        self.process.wait_for(Unsettled { decoded, seen: &seen }, |_| {
            let vars = curl::json(&format!("http://{api}/debug/vars"));
            let counters = Counters(vars["coco"].clone());
            seen.replace(vars);
            (counters.count(&["listen", "decoded"]) >= decoded && counters.balance()).then_some(counters)
        })
    }

    /// Stops it by SIGTERM and waits for its exit status.
    #[must_use]
    pub fn stop(mut self) -> ExitStatus {
        self.process.stop()
    }
}

/// The counters of one moment.
#[derive(Clone, Debug)]
pub struct Counters(pub Value);

impl Counters {
    /// A counter by its way, as in `count(&["listen", "raw"])`.
    ///
    /// # Panics
    /// When there is none: every counter is there from the start.
    #[must_use]
    pub fn count(&self, way: &[&str]) -> u64 {
        let found = way.iter().fold(&self.0, |value, step| &value[*step]);
        found.as_u64().unwrap_or_else(|| panic!("no counter at {way:?} in {}", self.0))
    }

    /// Whether what came in is refused, sent, or counted as not sent, once in every tier.
    fn balance(&self) -> bool {
        let accepted = self.count(&["filter", "accepted"]);
        let decided = accepted + self.count(&["filter", "rejected"]);
        let tiers = self.0["lookup"].as_object().map_or(0, serde_json::Map::len) as u64;
        let dealt_with = self.count(&["send", "total"])
            + self.count(&["errors", "send.write"])
            + self.count(&["errors", "send.disconnected"])
            + total(&self.0["remote_write.value_lists"])
            + total(&self.0["remote_write.value_lists_dropped"]);
        self.count(&["listen", "decoded"]) == decided && dealt_with == accepted * tiers
    }
}

/// All numbers in a document.
fn total(counters: &Value) -> u64 {
    match counters {
        Value::Object(fields) => fields.values().map(total).sum(),
        number => number.as_u64().unwrap_or(0),
    }
}

/// What a test waited for in vain, with the counters that it saw last.
struct Unsettled<'a> {
    decoded: u64,
    seen: &'a RefCell<Value>,
}

impl fmt::Display for Unsettled<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} value lists, all of them dealt with; last seen: {}", self.decoded, self.seen.borrow())
    }
}

/// Runs Coco with these arguments until it ends.
///
/// # Panics
/// When it stays.
#[must_use]
pub fn run(arguments: &[&Path]) -> Ended {
    program::run(Program::Coco, arguments)
}

/// What Coco says to a configuration with `--check`.
///
/// # Panics
/// When it stays.
#[must_use]
pub fn check(config: &str) -> Ended {
    let directory = Directory::new("check");
    run(&[Path::new("--check"), &directory.write("coco.conf", config)])
}
