//! A panel of Graphite targets over rrdcached nodes, and the same from whisper files by graphite-web.

use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::child::{self, Child};
use crate::error::{Doing, Error};
use crate::http;
use crate::subject::{Place, healthy_api};

/// A panel: a target for each metric, with a series for each host.
pub(crate) const HOSTS: usize = 200;
pub(crate) const METRICS: usize = 10;
/// An hour at 10 seconds.
const ROWS: usize = 360;
const STEP: u64 = 10;

/// Hosts whose names are asked for.
pub(crate) const NAMES: usize = 20_000;

/// Between two requests for the same window the next row has not come: what is asked for is another window each time.
const SHIFT: u64 = STEP;

/// What makes the files, and has graphite-web read them.
const SCRIPT: &str = include_str!("panel.py");

/// The Python for which Debian installs graphite-web.
const PYTHON: &str = "/usr/bin/python3";

/// What one rendering took.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Rendering {
    pub(crate) seconds: f64,
    /// Of Noodle.
    pub(crate) cpu_seconds: f64,
    /// Of the daemons that it asks.
    pub(crate) cpu_seconds_of_nodes: f64,
    pub(crate) bytes: usize,
}

/// Noodle before two rrdcached daemons over the same files, so that each has whatever it owns.
pub(crate) struct Panel {
    folder: PathBuf,
    script: PathBuf,
    noodle: Child,
    address: SocketAddr,
    daemons: Vec<Child>,
    finish: u64,
}

impl Panel {
    /// Makes the files, and starts all of them.
    pub(crate) fn start(place: &Place) -> Result<Self, Error> {
        let folder = place.folder.join("panel");
        std::fs::create_dir_all(folder.join("rrd")).doing(|| format!("make {}", folder.display()))?;
        let script = folder.join("panel.py");
        std::fs::write(&script, SCRIPT).doing(|| format!("write {}", script.display()))?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        let finish = now / STEP * STEP;
        let numbers = [HOSTS, METRICS, ROWS].map(|number| number.to_string());
        let [hosts, metrics, rows] = &numbers;
        let path = folder.display().to_string();
        let (script_path, finish_text) = (script.display().to_string(), finish.to_string());
        child::output(Path::new(PYTHON), [&script_path, "make", &path, hosts, metrics, rows, &finish_text])?;
        let (noodle, address, daemons) = serve(place, &folder, &folder.join("rrd"))?;
        Ok(Self { folder, script, noodle, address, daemons, finish })
    }

    /// The panel, of a window that was not asked for before.
    fn path(&self, number: u64) -> String {
        let until = self.finish - number * SHIFT;
        let mut path = format!("/render?format=json&from={}&until={until}", until - ROWS as u64 * STEP);
        for metric in 0..METRICS {
            write!(path, "&target=aliasByNode(*.plugin{metric}.gauge-x,0)").expect("a string takes anything");
        }
        path
    }

    /// Has Noodle render it.
    pub(crate) fn render(&self, number: u64) -> Result<Rendering, Error> {
        let path = self.path(number);
        let cpu = || -> Result<[Duration; 2], Error> {
            let of_nodes = self.daemons.iter().map(Child::cpu_time).sum::<Result<Duration, Error>>()?;
            Ok([self.noodle.cpu_time()?, of_nodes])
        };
        let (start, before) = (Instant::now(), cpu()?);
        let answer = http::get(self.address, &path)?;
        let (seconds, after) = (start.elapsed().as_secs_f64(), cpu()?);
        let used = [0, 1].map(|whose| (after[whose] - before[whose]).as_secs_f64());
        let series = answer.windows(9).filter(|window| window == b"\"target\":").count();
        check(series, "Noodle")?;
        Ok(Rendering { seconds, cpu_seconds: used[0], cpu_seconds_of_nodes: used[1], bytes: answer.len() })
    }

    /// Has graphite-web render it from whisper files so often; the CPU seconds of each time.
    pub(crate) fn render_by_graphite_web(&self, rounds: usize) -> Result<Vec<f64>, Error> {
        let arguments = [
            self.script.display().to_string(),
            "render".to_owned(),
            self.folder.display().to_string(),
            rounds.to_string(),
            self.path(0),
        ];
        let said = child::output(Path::new(PYTHON), arguments)?;
        let mut figures = Vec::new();
        for line in said.lines().filter_map(|line| line.strip_prefix("CPU ")) {
            let wrong = || Error::Answer { from: "graphite-web".to_owned(), problem: line.to_owned() };
            let (cpu, series) = line.split_once(' ').ok_or_else(wrong)?;
            check(series.parse().map_err(|_| wrong())?, "graphite-web")?;
            figures.push(cpu.parse().map_err(|_| wrong())?);
        }
        if figures.is_empty() {
            return Err(Error::Answer { from: "graphite-web".to_owned(), problem: said });
        }
        Ok(figures)
    }

    /// The largest memory of Noodle, in KiB.
    pub(crate) fn peak_memory(&self) -> Result<u64, Error> {
        crate::procfs::peak_memory(self.noodle.pid())
    }
}

fn check(series: usize, from: &str) -> Result<(), Error> {
    if series == HOSTS * METRICS {
        return Ok(());
    }
    let problem = format!("{series} series, not {}", HOSTS * METRICS);
    Err(Error::Answer { from: from.to_owned(), problem })
}

/// Milliseconds that the names of [`NAMES`] hosts take, so often, once their tree is known.
pub(crate) fn find(place: &Place, times: usize) -> Result<Vec<f64>, Error> {
    let folder = place.folder.join("names");
    for number in 0..NAMES {
        let host = folder.join("rrd").join(format!("host{number:05}.example.org"));
        std::fs::create_dir_all(&host).doing(|| format!("make {}", host.display()))?;
    }
    let (_noodle, address, _daemons) = serve(place, &folder, &folder.join("rrd"))?;
    let ask = || -> Result<f64, Error> {
        let start = Instant::now();
        let answer = http::get(address, "/metrics/find?query=*")?;
        let milliseconds = start.elapsed().as_secs_f64() * 1e3;
        let found = answer.windows(7).filter(|window| window == b"\"text\":").count();
        if found == NAMES {
            return Ok(milliseconds);
        }
        Err(Error::Answer { from: "Noodle".to_owned(), problem: format!("{found} names, not {NAMES}") })
    };
    ask()?;
    (0..times).map(|_| ask()).collect()
}

/// Noodle before two daemons over these files.
fn serve(place: &Place, folder: &Path, base: &Path) -> Result<(Child, SocketAddr, Vec<Child>), Error> {
    let (mut daemons, mut targets) = (Vec::new(), Vec::new());
    for number in 0..2 {
        let address = free_port()?;
        let file = |name: &str| folder.join(format!("{name}{number}")).display().to_string();
        let (base, socket) = (base.display().to_string(), format!("unix:{}", file("socket")));
        let (pid, address_text) = (file("pid"), address.to_string());
        let arguments = ["-g", "-B", "-b", &base, "-p", &pid, "-l", &socket, "-l", &address_text];
        let output = folder.join(format!("rrdcached{number}.output"));
        let mut daemon = Child::spawn("rrdcached", Path::new("/usr/bin/rrdcached"), arguments, output)?;
        daemon.wait_for(|_| Ok(std::net::TcpStream::connect(address).is_ok().then_some(())))?;
        daemons.push(daemon);
        targets.push(format!(
            "{{ address = \"127.0.0.1:{}\", fetch = \"rrdcached://{address}\" }}",
            25826 + number
        ));
    }
    // A list of 20,000 hosts takes an rrdcached seconds, once.
    let config = format!(
        "[fetch]\nbind = \"127.0.0.1:0\"\nproxy_timeout = \"60s\"\n[tiers.one]\ntargets = [{}]\n",
        targets.join(", ")
    );
    let path = folder.join("noodle.conf");
    std::fs::write(&path, config).doing(|| format!("write {}", path.display()))?;
    let mut noodle = Child::spawn("noodle", &place.noodle, [&path], folder.join("noodle.output"))?;
    let address = noodle.wait_for(healthy_api)?;
    Ok((noodle, address, daemons))
}

/// rrdcached takes no port of the system's choice, so it gets one that was free a moment ago.
fn free_port() -> Result<SocketAddr, Error> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).doing(|| "find a free port".to_owned())?;
    listener.local_addr().doing(|| "read back a port".to_owned())
}
