//! The same value lists through a tier of nodes, through one of engines, and through a collectd with its own page for
//! Prometheus: what each takes of the processor.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;

use crate::child::Child;
use crate::error::{Doing, Error};
use crate::http;
use crate::procfs;
use crate::samples::{Offered, Samples, TYPES_DB};
use crate::socket::RECEIVE_BUFFER;
use crate::subject::{Place, healthy_api, listening, loopback};

/// Who does nothing more for so long is done.
const IDLE: Duration = Duration::from_millis(500);

/// How long samples may take to arrive once all value lists were sent.
const ARRIVAL: Duration = Duration::from_secs(60);

/// What a run took.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Run {
    pub(crate) subject: &'static str,
    pub(crate) value_lists: u64,
    pub(crate) value_lists_per_second: f64,
    pub(crate) cpu_us_per_value_list: f64,
    pub(crate) peak_memory_mb: f64,
    /// Value lists that did not get where they belong.
    pub(crate) lost: u64,
    pub(crate) foreign_cores: f64,
}

/// Value lists a second, and for how many seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) rate: u64,
    pub(crate) seconds: u64,
}

/// A process that takes value lists in.
pub(crate) struct Taker {
    subject: &'static str,
    child: Child,
    listen: SocketAddr,
    api: Option<SocketAddr>,
}

impl Taker {
    /// A Coco with these tiers.
    pub(crate) fn coco(place: &Place, subject: &'static str, tiers: &str) -> Result<Self, Error> {
        let types = types_db(place)?;
        let text = format!(
            "listen = {{ bind = \"127.0.0.1:0\", receive_buffer = {RECEIVE_BUFFER}, typesdb = {types:?} }}\n\
             api.bind = \"127.0.0.1:0\"\n{tiers}"
        );
        let path = place.folder.join("bridge.conf");
        std::fs::write(&path, text).doing(|| format!("write {}", path.display()))?;
        let output = place.folder.join("bridge-output");
        let mut child = Child::spawn(subject, &place.coco, [path], output)?;
        let api = child.wait_for(healthy_api)?;
        let listen =
            child.wait_for(|child| Ok(listening(child)?.first().map(|socket| loopback(socket.port))))?;
        Ok(Self { subject, child, listen, api: Some(api) })
    }

    /// A collectd with its network and write_prometheus plugins.
    pub(crate) fn collectd(place: &Place) -> Result<Self, Error> {
        let types = types_db(place)?;
        let free = || "find a free port".to_owned();
        let receives = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.local_addr());
        let shows = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.local_addr());
        let (receives, shows) = (receives.doing(free)?, shows.doing(free)?);
        let base = place.folder.display();
        let text = format!(
            "Hostname \"bench\"\nFQDNLookup false\nBaseDir \"{base}\"\nPIDFile \"{base}/collectd.pid\"\nTypesDB {types:?}\n\
             LoadPlugin network\n<Plugin network>\n  Listen \"127.0.0.1\" \"{}\"\n</Plugin>\n\
             LoadPlugin write_prometheus\n<Plugin write_prometheus>\n  Host \"127.0.0.1\"\n  Port \"{}\"\n</Plugin>\n",
            receives.port(),
            shows.port()
        );
        let path = place.folder.join("collectd.conf");
        std::fs::write(&path, text).doing(|| format!("write {}", path.display()))?;
        let arguments = ["-f".to_owned(), "-C".to_owned(), path.display().to_string()];
        let output = place.folder.join("collectd-output");
        let mut child = Child::spawn("collectd", &find("collectd")?, arguments, output)?;
        child.wait_for(|child| {
            let receives = listening(child)?.iter().any(|socket| socket.port == receives.port());
            Ok((receives && TcpStream::connect(shows).is_ok()).then_some(()))
        })?;
        Ok(Self { subject: "collectd", child, listen: receives, api: None })
    }

    /// Sends value lists through it, and waits until there is no more to do. `delivered` looks how many value lists are where
    /// they belong, if it can be told.
    pub(crate) fn run(
        mut self,
        samples: &mut Samples,
        pace: Pace,
        delivered: &dyn Fn(&Self) -> Result<Option<u64>, Error>,
    ) -> Result<Run, Error> {
        // What is done once for each series is not what is measured.
        let first = samples.send(self.listen, pace.rate.min(20_000), 1)?;
        self.settle(first, delivered)?;
        let (start, cpu, own) = (Instant::now(), self.child.cpu_time()?, own_cpu()?);
        let (machine, before) = (procfs::machine_cpu_time()?, self.drops()?);
        let sent = samples.send(self.listen, pace.rate, pace.seconds)?;
        let all = Offered { value_lists: first.value_lists + sent.value_lists, ..sent };
        let arrived = self.settle(all, delivered)?;
        let cpu = self.child.cpu_time()? - cpu;
        let machine = procfs::machine_cpu_time()?.saturating_sub(machine);
        let ours = cpu + (own_cpu()? - own);
        let dropped = self.drops()? - before;
        // Where it can't be told what arrived, what the kernel did not drop was taken.
        let per_datagram = sent.value_lists / sent.datagrams.max(1);
        let lost = arrived.map_or(dropped * per_datagram, |arrived| all.value_lists.saturating_sub(arrived));
        let taken = sent.value_lists.saturating_sub(lost);
        let peak_memory_mb = procfs::peak_memory(self.child.pid())? as f64 * 1024.0 / 1e6;
        Ok(Run {
            subject: self.subject,
            value_lists: sent.value_lists,
            value_lists_per_second: sent.value_lists as f64 / sent.seconds,
            cpu_us_per_value_list: cpu.as_secs_f64() * 1e6 / taken.max(1) as f64,
            peak_memory_mb,
            lost,
            foreign_cores: machine.saturating_sub(ours).as_secs_f64() / start.elapsed().as_secs_f64(),
        })
    }

    /// Waits until all is where it belongs, or it uses no processor any more. How much is there.
    fn settle(
        &mut self,
        sent: Offered,
        delivered: &dyn Fn(&Self) -> Result<Option<u64>, Error>,
    ) -> Result<Option<u64>, Error> {
        let start = Instant::now();
        let (mut cpu, mut since) = (self.child.cpu_time()?, Instant::now());
        loop {
            self.child.alive()?;
            let arrived = delivered(self)?;
            let is_there = arrived.is_some_and(|arrived| arrived >= sent.value_lists);
            if is_there || start.elapsed() > ARRIVAL || (arrived.is_none() && since.elapsed() > IDLE) {
                return Ok(arrived);
            }
            std::thread::sleep(Duration::from_millis(50));
            let now = self.child.cpu_time()?;
            // Threads that only look whether there is something take a little.
            if now - cpu > Duration::from_millis(5) {
                since = Instant::now();
            }
            cpu = now;
        }
    }

    /// Datagrams that found its receive buffer full.
    fn drops(&self) -> Result<u64, Error> {
        Ok(listening(&self.child)?.iter().map(|socket| socket.drops).sum())
    }

    /// What Coco counts of an engine: the sum of all that is below this.
    pub(crate) fn count(&self, key: &str) -> Result<u64, Error> {
        let Some(api) = self.api else { return Ok(0) };
        let vars = http::get_json(api, "/debug/vars")?;
        Ok(sum(&vars["coco"][key]))
    }
}

fn sum(value: &Value) -> u64 {
    match value {
        Value::Object(fields) => fields.values().map(sum).sum(),
        value => value.as_u64().unwrap_or_default(),
    }
}

/// Starts a VictoriaMetrics. Where it takes samples.
pub(crate) fn victoria_metrics(place: &Place) -> Result<(Child, String), Error> {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.local_addr());
    let address = free.doing(|| "find a free port".to_owned())?;
    let data = place.folder.join("victoria-metrics");
    let arguments = [format!("-httpListenAddr={address}"), format!("-storageDataPath={}", data.display())];
    let output = place.folder.join("victoria-metrics-output");
    let program = find("victoria-metrics")?;
    let mut child = Child::spawn("victoria-metrics", &program, arguments, output)?;
    child.wait_for(|_| Ok(TcpStream::connect(address).is_ok().then_some(())))?;
    Ok((child, format!("http://{address}/api/v1/write")))
}

fn types_db(place: &Place) -> Result<String, Error> {
    let path = place.folder.join("types.db");
    std::fs::write(&path, TYPES_DB).doing(|| format!("write {}", path.display()))?;
    Ok(path.display().to_string())
}

fn own_cpu() -> Result<Duration, Error> {
    procfs::cpu_time(nix::unistd::Pid::this())
}

/// Where a program is; Debian has collectd where only root looks.
fn find(name: &str) -> Result<PathBuf, Error> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/sbin"].map(PathBuf::from));
    let found = folders.map(|folder| folder.join(name)).find(|path| path.is_file());
    found.ok_or_else(|| Error::Meaningless(format!("no {name}, which these rows need: install it")))
}
