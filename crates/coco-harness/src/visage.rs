//! What stands on a storage node for Visage: its three JSON routes, answered from RRD files with the real rrdtool.
//!
//! | path | answer |
//! |---|---|
//! | `/data` | `{"hosts": [...]}`: all directories |
//! | `/data/HOSTS` | `{"metrics": ["PLUGIN/INSTANCE", ...]}` of the hosts that the glob `{HOSTS}` matches, null if none |
//! | `/data/HOST/PLUGIN[/INSTANCES]` | `{HOST: {PLUGIN: {INSTANCE: {DATA SOURCE: {"start", "finish", "data"}}}}}` |
//!
//! As Visage 2.1.0 does: the parts of a path are globs, where only braces make a list of hosts or plugins; nothing
//! found is `{}` with 200; `start` and `finish` are echoed, and default to the last hour; values are averages, the
//! last row of rrdtool left out. Values stand as rrdtool prints them, and NaN as null, where Visage would repeat the
//! value before. What no test asks for is left out: percentiles, callbacks, windows of more than 2,000 values.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, BufReader, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use regex::Regex;

use crate::rrd;

/// Visage's default window.
const HOUR: i64 = 3600;

/// A server on a free port of loopback, until it is dropped.
#[derive(Debug)]
pub struct Visage {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    directory: PathBuf,
    stopped: AtomicBool,
    clients: Mutex<Vec<TcpStream>>,
}

impl Visage {
    /// Serves the RRD files of a directory: `HOST/PLUGIN/INSTANCE.rrd`.
    ///
    /// # Panics
    /// When loopback doesn't work.
    #[must_use]
    pub fn start(directory: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        let shared = Arc::new(Shared {
            directory: directory.to_owned(),
            stopped: AtomicBool::new(false),
            clients: Mutex::default(),
        });
        let thread = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.accept(&listener)
        });
        Self { address, shared, thread: Some(thread) }
    }

    /// The root of its URLs.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Visage {
    /// From now on the port refuses connections, and those that are open are closed.
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // Wakes the thread, which then closes the listener.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        for client in self.shared.clients.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = client.shutdown(Shutdown::Both);
        }
    }
}

impl Shared {
    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        for client in listener.incoming() {
            if self.stopped.load(Ordering::SeqCst) {
                return;
            }
            let client = client.expect("the backlog holds clients");
            let kept = client.try_clone().expect("a descriptor is left");
            self.clients.lock().unwrap_or_else(PoisonError::into_inner).push(kept);
            let shared = Arc::clone(self);
            std::thread::spawn(move || shared.converse(client));
        }
    }

    /// Answers one request after the other. An error is a client that went away.
    fn converse(&self, mut client: TcpStream) -> io::Result<()> {
        let mut lines = BufReader::new(client.try_clone()?).lines();
        while let Some(request) = lines.next().transpose()? {
            while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
            let target = request.split(' ').nth(1).unwrap_or_default();
            let (status, text) = match self.answer(target) {
                Some(text) => ("200 OK", text),
                None => ("404 Not Found", "<h1>Not Found</h1>".to_owned()),
            };
            let length = text.len();
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
            );
            client.write_all((head + &text).as_bytes())?;
        }
        Ok(())
    }

    fn answer(&self, target: &str) -> Option<String> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let parts: Vec<_> = path.split('/').skip(1).map(decoded).collect();
        match &parts.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["data"] => Some(serde_json::json!({ "hosts": names(&self.directory, "*", "") }).to_string()),
            ["data", hosts] => Some(self.metrics(hosts)),
            ["data", host, plugin, instances @ ..] => Some(self.series(host, plugin, instances, query)),
            _ => None,
        }
    }

    fn metrics(&self, hosts: &str) -> String {
        let hosts = names(&self.directory, &format!("{{{hosts}}}"), "");
        // By folder, then by the whole name of the file.
        let mut files = BTreeSet::new();
        for host in &hosts {
            let directory = self.directory.join(host);
            for plugin in names(&directory, "*", "") {
                let instances = names(&directory.join(&plugin), "*", ".rrd");
                files.extend(
                    instances.into_iter().map(|instance| (plugin.clone(), format!("{instance}.rrd"))),
                );
            }
        }
        let metric = |(plugin, file): &(String, String)| {
            format!("{plugin}/{}", file.strip_suffix(".rrd").unwrap_or(file))
        };
        let metrics = (!hosts.is_empty()).then(|| files.iter().map(metric).collect::<Vec<_>>());
        serde_json::json!({ "metrics": metrics }).to_string()
    }

    fn series(&self, host: &str, plugin: &str, instances: &[&str], query: &str) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_secs();
        let finish = time(query, "finish").unwrap_or(i64::try_from(now).expect("not for long"));
        let start = time(query, "start").unwrap_or(finish - HOUR);
        let instances =
            if instances.is_empty() { "*".to_owned() } else { format!("{{{}}}", instances.join(",")) };
        object(names(&self.directory, host, "").into_iter().filter_map(|host| {
            let directory = self.directory.join(&host);
            let plugins = names(&directory, plugin, "").into_iter().filter_map(|plugin| {
                let directory = directory.join(&plugin);
                let found = names(&directory, &instances, ".rrd").into_iter().map(|instance| {
                    let file = directory.join(format!("{instance}.rrd"));
                    let values = rrd::fetch(&file, start, finish).into_iter();
                    (instance, object(values.map(|(source, values)| (source, data(start, finish, &values)))))
                });
                Some((plugin, object(found))).filter(|(_, text)| text != "{}")
            });
            Some((host, object(plugins))).filter(|(_, text)| text != "{}")
        }))
    }
}

fn data(start: i64, finish: i64, values: &[Option<String>]) -> String {
    let values: Vec<_> = values.iter().map(|value| value.as_deref().unwrap_or("null")).collect();
    format!("{{\"start\":{start},\"finish\":{finish},\"data\":[{}]}}", values.join(","))
}

/// The text of an object with these members, whose values are JSON already.
fn object(members: impl IntoIterator<Item = (String, String)>) -> String {
    let members: BTreeMap<_, _> = members.into_iter().collect();
    let members: Vec<_> =
        members.into_iter().map(|(key, value)| format!("{}:{value}", serde_json::json!(key))).collect();
    format!("{{{}}}", members.join(","))
}

/// The names in a directory that end in `suffix` and match a glob without it, sorted; none of none.
fn names(directory: &Path, glob: &str, suffix: &str) -> BTreeSet<String> {
    let glob = regex(glob);
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let names = names.filter_map(|name| name.strip_suffix(suffix).map(str::to_owned));
    names.filter(|name| glob.is_match(name)).collect()
}

/// What a shell's glob of `* ? [...] {a,b}` matches.
fn regex(glob: &str) -> Regex {
    let mut depth = 0;
    let translated = glob.chars().map(|c| match c {
        '*' => ".*".to_owned(),
        '?' => ".".to_owned(),
        '[' | ']' => c.to_string(),
        '{' => {
            depth += 1;
            "(?:".to_owned()
        }
        '}' => {
            depth -= 1;
            ")".to_owned()
        }
        ',' if depth > 0 => "|".to_owned(),
        c => regex::escape(&c.to_string()),
    });
    let translated: String = translated.collect();
    Regex::new(&format!("^(?:{translated})$")).expect("Noodle asks for globs that are whole")
}

/// A parameter, read as Visage does: up to a point; empty or absent is none.
fn time(query: &str, name: &str) -> Option<i64> {
    let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
    value.split('.').next()?.parse().ok()
}

/// A part of a path, its `%41` turned into bytes.
fn decoded(part: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = part.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        let code = || u8::from_str_radix(std::str::from_utf8(behind.get(..2)?).ok()?, 16).ok();
        match code().filter(|_| byte == b'%') {
            Some(code) => (bytes, rest) = ([&bytes[..], &[code]].concat(), &behind[2..]),
            None => {
                bytes.push(byte);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
