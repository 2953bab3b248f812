//! A Noodle on a thread of its own, and a client that sees every byte.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, UNIX_EPOCH};

use arc_swap::ArcSwap;
use coco_core::config::NoodleConfig;
use coco_core::tier::Tiers;
use coco_daemon::http::{Limits, bind, serve};
use coco_daemon::reload::Reloads;
use coco_daemon::routes::Common;
use noodle::api::Api;
use noodle::dialect::lasting::Clock;
use noodle::fleet::Fleet;
use noodle::graphite::Graphite;
use noodle::prometheus::Prometheus;
use noodle::visage::proxy::Proxy;
use serde_json::Value;
use tokio::sync::oneshot;

/// A test that hangs fails after this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// What Noodle takes for now: shortly after the transcripts.
pub(crate) const NOW: u64 = 1_795_295_000;

pub(crate) struct Noodle {
    pub(crate) address: SocketAddr,
    tiers: Tiers,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// `[tiers]` with targets `TIERINDEX:1`, which are read at these addresses.
pub(crate) fn tiers(tiers: &[(&str, &[SocketAddr])]) -> String {
    let mut text = String::new();
    for (tier, nodes) in tiers {
        let targets: Vec<_> = nodes
            .iter()
            .enumerate()
            .map(|(index, node)| format!("{{ address = \"{tier}{index}:1\", fetch = \"http://{node}\" }}"))
            .collect();
        text.push_str(&format!("[tiers.{tier}]\ntargets = [ {} ]\n", targets.join(", ")));
    }
    text
}

impl Noodle {
    /// `fetch` are lines of that section. A target has all the time that a busy machine may take, unless they say
    /// otherwise.
    pub(crate) fn start(tiers: &str, fetch: &str) -> Self {
        Self::start_within(tiers, fetch, Limits::default())
    }

    pub(crate) fn start_within(tiers: &str, fetch: &str, limits: Limits) -> Self {
        let patience = if fetch.contains("proxy_timeout") { "" } else { "proxy_timeout = \"60s\"" };
        let text = format!("{tiers}\n[fetch]\nbind = \"127.0.0.1:0\"\n{fetch}\n{patience}\n");
        let config = NoodleConfig::parse(&text).unwrap_or_else(|problems| panic!("{problems}"));
        let listener = bind(&config.bind).unwrap();
        let address = listener.local_addr().unwrap();
        let fleet = Arc::new(Fleet::new(Arc::new(config.tiers.clone()), &config.fetch));
        let clock = Clock::new(|| UNIX_EPOCH + Duration::from_secs(NOW));
        let proxy = Proxy::new(Arc::clone(&fleet), &config.fetch).with_clock(clock);
        let graphite = Graphite::new(Arc::clone(&fleet), &config).with_clock(clock);
        let prometheus = Prometheus::new(Arc::clone(&fleet), &config).with_clock(clock);
        let common = Common::new(Arc::new(Reloads::new(&config)), Arc::default());
        let api = Api::new(
            common,
            Arc::new(ArcSwap::from_pointee(proxy)),
            Arc::new(ArcSwap::from_pointee(graphite)),
            Arc::new(ArcSwap::from_pointee(prometheus)),
        );
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let shutdown = async { drop(stopped.await) };
            runtime.block_on(serve(listener, api.router(), limits, shutdown)).unwrap();
            runtime.shutdown_background();
        });
        Self { address, tiers: config.tiers, stop: Some(stop), thread: Some(thread) }
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// Asks on a connection of its own.
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.connect().ask("GET", path, "")
    }

    /// A host that these targets own, one of each tier.
    pub(crate) fn host_of(&self, targets: &[usize]) -> String {
        let owned = |host: &String| {
            let owners = self.tiers.iter().map(|tier| tier.owner(host.as_bytes()));
            owners.zip(targets).all(|(owner, wanted)| owner == *wanted)
        };
        (0..10_000).map(|number| format!("web{number}")).find(owned).unwrap()
    }

    /// The object `noodle` of `/debug/vars`.
    pub(crate) fn counters(&self) -> Value {
        self.get("/debug/vars").json()["noodle"].take()
    }

    /// Those errors that are not 0.
    pub(crate) fn errors(&self) -> BTreeMap<String, u64> {
        let counters = self.counters();
        let errors = counters["errors"].as_object().unwrap().iter();
        errors
            .map(|(name, count)| (name.clone(), count.as_u64().unwrap()))
            .filter(|(_, count)| *count > 0)
            .collect()
    }
}

impl Drop for Noodle {
    /// Waits for its end, so that a panic of its thread fails the test.
    fn drop(&mut self) {
        drop(self.stop.take());
        let result = self.thread.take().unwrap().join();
        if !std::thread::panicking() {
            result.unwrap();
        }
    }
}

pub(crate) struct Client(pub(crate) BufReader<TcpStream>);

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Several of one name are joined by line breaks.
    pub(crate) fields: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(BufReader::new(stream))
    }

    pub(crate) fn send(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
    }

    /// Sends a request without a body and reads the answer, which has a length.
    pub(crate) fn ask(&mut self, method: &str, path: &str, fields: &str) -> Answer {
        self.send(&format!("{method} {path} HTTP/1.1\r\nHost: noodle.example.org\r\n{fields}\r\n"));
        self.read(method)
    }

    pub(crate) fn read(&mut self, method: &str) -> Answer {
        let mut line = || {
            let mut line = String::new();
            self.0.read_line(&mut line).unwrap();
            assert!(line.ends_with("\r\n"), "the connection ended in the head of an answer: {line:?}");
            line.trim_end().to_owned()
        };
        let status: u16 = line().split(' ').nth(1).unwrap().parse().unwrap();
        let mut fields: BTreeMap<String, String> = BTreeMap::new();
        while let Some((name, value)) = line().split_once(": ") {
            let known = fields.entry(name.to_ascii_lowercase()).or_default();
            let separator = if known.is_empty() { "" } else { "\n" };
            *known = format!("{known}{separator}{value}");
        }
        let mut answer = Answer { status, fields, body: Vec::new() };
        if method != "HEAD" && status != 204 {
            let length = answer.fields.get("content-length").unwrap_or_else(|| panic!("{answer:?}"));
            answer.body.resize(length.parse().unwrap(), 0);
            self.0.read_exact(&mut answer.body).unwrap();
        }
        answer
    }

    /// How many bytes come until there are so many or the connection ends, in whatever way.
    pub(crate) fn read_to_end_or_length(&mut self, length: usize) -> usize {
        let mut bytes = vec![0; 1 << 16];
        let mut read = 0;
        while read < length {
            match self.0.read(&mut bytes) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(problem) if problem.kind() == std::io::ErrorKind::ConnectionReset => break,
                Err(problem) => panic!("{problem}"),
            }
        }
        read
    }

    /// Everything up to the end of the connection, in whatever way it ends.
    pub(crate) fn read_to_end(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self.0.read_to_end(&mut bytes) {
            Err(problem) if problem.kind() != std::io::ErrorKind::ConnectionReset => panic!("{problem}"),
            _ => bytes,
        }
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The text less what Noodle put in, and that.
    pub(crate) fn split_meta(&self) -> (String, Value) {
        let text = self.text();
        let (others, meta) = text.rsplit_once("\"_meta\":").unwrap_or_else(|| panic!("no _meta in {text}"));
        let meta = meta.strip_suffix('}').unwrap();
        (format!("{}}}", others.trim_end_matches(',')), serde_json::from_str(meta).unwrap())
    }

    /// The message of `{"error": "..."}`.
    pub(crate) fn error(&self) -> String {
        self.json()["error"].as_str().unwrap().to_owned()
    }
}
