//! Engines that take samples by remote write: a real Prometheus, a real VictoriaMetrics, and one that answers as a test
//! says.

mod scripted;

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;

use serde_json::Value;

pub use scripted::{Answer, Request, Scripted};

use crate::curl;
use crate::directory::Directory;
use crate::process::Process;

/// A series by its labels.
pub type Labels = BTreeMap<String, String>;

/// What an engine has: of each series milliseconds and values, in order.
pub type Stored = BTreeMap<Labels, Vec<(i64, f64)>>;

/// A Prometheus with its remote-write receiver, on a port of loopback.
#[derive(Debug)]
pub struct Prometheus {
    /// The process.
    pub process: Process,
    /// Where it speaks HTTP.
    pub address: String,
    directory: Directory,
}

impl Prometheus {
    /// Starts one.
    ///
    /// # Panics
    /// When it doesn't come up.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with("global: {}\n")
    }

    /// Starts one with this configuration.
    ///
    /// # Panics
    /// When it doesn't come up.
    #[must_use]
    pub fn start_with(config: &str) -> Self {
        Self::start_in(Directory::new("prometheus"), config)
    }

    /// Starts one in a directory, where `web.yml` says whom it lets in, if there is such a file.
    ///
    /// # Panics
    /// When it doesn't come up.
    #[must_use]
    pub fn start_in(directory: Directory, config: &str) -> Self {
        directory.write("prometheus.yml", config);
        let (process, address) = Self::spawn(&directory, "127.0.0.1:0");
        Self { process, address, directory }
    }

    fn spawn(directory: &Directory, address: &str) -> (Process, String) {
        let mut command = Command::new("prometheus");
        command.arg(format!("--web.listen-address={address}"));
        command.arg("--web.enable-remote-write-receiver");
        command.arg(format!("--config.file={}", directory.path().join("prometheus.yml").display()));
        command.arg(format!("--storage.tsdb.path={}", directory.path().join("data").display()));
        let web = directory.path().join("web.yml");
        if web.exists() {
            command.arg(format!("--web.config.file={}", web.display()));
        }
        let mut process = Process::start("prometheus", directory.path(), &mut command);
        let address = process.wait_for("its port", |process| {
            let log = process.stderr();
            let line = log.lines().find(|line| line.contains("Listening on"))?;
            log.contains("ready to receive")
                .then(|| line.rsplit_once("address=").map(|(_, it)| it.to_owned()))?
        });
        (process, address)
    }

    /// Starts it again where it was, with what it had.
    pub fn start_again(&mut self) {
        (self.process, self.address) = Self::spawn(&self.directory, &self.address);
    }

    /// Where it takes samples.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/api/v1/write", self.address)
    }

    /// What it has of the last hour of series that have this name, an expression.
    #[must_use]
    pub fn stored(&self, name: &str) -> Stored {
        self.query(&format!("{{__name__=~\"{name}\"}}[1h]"), None)
    }

    /// What PromQL makes of this, now or at a second.
    ///
    /// # Panics
    /// When it has no answer.
    #[must_use]
    pub fn query(&self, query: &str, second: Option<i64>) -> Stored {
        let query: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let time = second.map_or_else(String::new, |second| format!("&time={second}"));
        let answer = curl::json(&format!("http://{}/api/v1/query?query={query}{time}", self.address));
        assert!(answer["warnings"].is_null(), "{answer}");
        let series = answer["data"]["result"].as_array().cloned().unwrap_or_default();
        let values = |series: &Value| {
            let one = series["value"].is_array().then(|| series["value"].clone());
            let pairs = series["values"].as_array().cloned().unwrap_or_else(|| one.into_iter().collect());
            let number = |value: &Value| value.as_str().and_then(|text| text.parse().ok()).expect("a number");
            let pair = |pair: &Value| {
                ((pair[0].as_f64().expect("a time") * 1000.0).round() as i64, number(&pair[1]))
            };
            pairs.iter().map(pair).collect()
        };
        series.iter().map(|series| (labels(&series["metric"]), values(series))).collect()
    }
}

/// A VictoriaMetrics on a port of loopback.
#[derive(Debug)]
pub struct VictoriaMetrics {
    /// The process.
    pub process: Process,
    address: SocketAddr,
    _directory: Directory,
}

impl VictoriaMetrics {
    /// Starts one.
    ///
    /// # Panics
    /// When it doesn't come up.
    #[must_use]
    pub fn start() -> Self {
        let directory = Directory::new("victoria-metrics");
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = free.local_addr().expect("an address");
        drop(free);
        let mut command = Command::new("victoria-metrics");
        command.arg(format!("-httpListenAddr={address}"));
        command.arg(format!("-storageDataPath={}", directory.path().join("data").display()));
        let mut process = Process::start("victoria-metrics", directory.path(), &mut command);
        process.wait_for("its port", |_| TcpStream::connect(address).ok());
        Self { process, address, _directory: directory }
    }

    /// Where it takes samples.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/api/v1/write", self.address)
    }

    /// What it has of series that have this name, an expression.
    #[must_use]
    pub fn stored(&self, name: &str) -> Stored {
        let _ = curl::get(&format!("http://{}/internal/force_flush", self.address));
        let pattern: String =
            format!("{{__name__=~\"{name}\"}}").bytes().map(|byte| format!("%{byte:02X}")).collect();
        let answer = curl::get(&format!("http://{}/api/v1/export?match%5B%5D={pattern}", self.address));
        let series = |line: &str| {
            // Not all that it writes is JSON.
            let line = line.replace("-Inf", "\"-inf\"").replace("+Inf", "\"inf\"");
            let line: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
            let times = line["timestamps"].as_array().cloned().unwrap_or_default();
            let values = line["values"].as_array().cloned().unwrap_or_default();
            let word = |value: &Value| value.as_str().and_then(|word| word.parse().ok());
            let number = |value: &Value| value.as_f64().or_else(|| word(value)).unwrap_or(f64::NAN);
            let pairs = times
                .iter()
                .zip(&values)
                .map(|(time, value)| (time.as_i64().expect("a time"), number(value)));
            (labels(&line["metric"]), pairs.collect())
        };
        answer.body.lines().map(series).collect()
    }
}

fn labels(metric: &Value) -> Labels {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    metric.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), text(value))).collect()
}
