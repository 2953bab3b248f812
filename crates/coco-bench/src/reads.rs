//! Noodle over rrdcached, and over a Visage that gives the same answers, with clients of its own.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::child::{self, Child};
use crate::error::{Doing, Error};
use crate::http;
use crate::procfs;
use crate::subject::{Place, healthy_api};

/// Clients at a time.
const CONNECTIONS: usize = 8;

/// The time of the last row, and the rows of a file, at 10 seconds.
const LAST: i64 = 1_795_200_000;
const ROWS: i64 = 2_000;

/// Seconds of a window.
const HOUR: i64 = 3600;

/// What one run took, and gave.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Run {
    pub(crate) requests: u64,
    pub(crate) requests_per_second: f64,
    pub(crate) cpu_us_per_request: f64,
}

/// A directory of RRD files and the daemon that serves it.
pub(crate) struct Node {
    daemon: Child,
    address: SocketAddr,
}

impl Node {
    /// Files of these hosts, `load/load.rrd`, of so many data sources.
    pub(crate) fn start(place: &Place, name: &str, hosts: &[String], sources: usize) -> Result<Self, Error> {
        let base = place.folder.join(name);
        let model = base.with_extension("rrd");
        std::fs::create_dir_all(&base).doing(|| format!("make {}", base.display()))?;
        create(&model, sources)?;
        for host in hosts {
            let folder = base.join(host).join("load");
            std::fs::create_dir_all(&folder).doing(|| format!("make {}", folder.display()))?;
            std::fs::copy(&model, folder.join("load.rrd")).doing(|| "copy an RRD file".to_owned())?;
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).doing(|| "find a free port".to_owned())?;
        let address = listener.local_addr().doing(|| "read back a port".to_owned())?;
        drop(listener);
        let pid = base.with_extension("pid");
        let arguments = ["-g", "-B", "-p", &pid.display().to_string(), "-b", &base.display().to_string()];
        let listen = ["-P", "PING,FETCH,FETCHBIN,LIST,INFO", "-l", &address.to_string()];
        let arguments = arguments.iter().chain(&listen).map(ToString::to_string).collect::<Vec<_>>();
        let mut daemon =
            Child::spawn("rrdcached", &find("rrdcached")?, arguments, base.with_extension("output"))?;
        daemon.wait_for(|_| Ok(TcpStream::connect(address).is_ok().then_some(())))?;
        Ok(Self { daemon, address })
    }

    /// Where Noodle reads it.
    pub(crate) fn url(&self) -> String {
        format!("rrdcached://{}", self.address)
    }

    /// CPU time that its daemon has used.
    pub(crate) fn cpu_time(&self) -> Result<Duration, Error> {
        self.daemon.cpu_time()
    }
}

fn find(name: &str) -> Result<PathBuf, Error> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|path| path.is_file());
    found.ok_or_else(|| {
        Error::Meaningless(format!(
            "no {name} on the PATH, which these rows need: install it (Debian: {name})"
        ))
    })
}

/// A file as collectd's rrdtool plugin makes them, as far as an hour goes.
fn create(file: &Path, sources: usize) -> Result<(), Error> {
    let rrdtool = find("rrdtool")?;
    let path = file.display().to_string();
    let mut words = vec!["create".to_owned(), path.clone(), "--step=10".to_owned()];
    words.push(format!("--start={}", LAST - ROWS * 10));
    words.extend((0..sources).map(|source| format!("DS:source{source}:GAUGE:20:U:U")));
    words.push(format!("RRA:AVERAGE:0.5:1:{}", ROWS + 10));
    child::output(&rrdtool, words)?;
    let mut words = vec!["update".to_owned(), path];
    for row in 1..=ROWS {
        let mut update = format!("{}", LAST - (ROWS - row) * 10);
        for source in 0..sources {
            let value = 20.0 + 7.0 * ((row as usize * (source + 1)) as f64 / 7.0).sin();
            write!(update, ":{}", (value * 1e6).round() / 1e6).expect("a string takes anything");
        }
        words.push(update);
    }
    child::output(&rrdtool, words)?;
    Ok(())
}

/// A Noodle over these nodes, as one tier.
pub(crate) struct Reader {
    child: Child,
    address: SocketAddr,
}

impl Reader {
    /// Starts it.
    pub(crate) fn start(place: &Place, name: &str, urls: &[String]) -> Result<Self, Error> {
        Self::start_under(place, name, urls, &[])
    }

    /// Starts it under a program that runs programs, such as valgrind.
    pub(crate) fn start_under(
        place: &Place,
        name: &str,
        urls: &[String],
        wrapper: &[String],
    ) -> Result<Self, Error> {
        let targets = urls
            .iter()
            .enumerate()
            .map(|(number, url)| format!("{{ address = \"127.0.0.1:{}\", fetch = \"{url}\" }}", number + 1));
        let targets = targets.collect::<Vec<_>>().join(", ");
        let text = format!(
            "[fetch]\nbind = \"127.0.0.1:0\"\nmax_hosts = 5000\n[tiers.all]\ntargets = [{targets}]\n"
        );
        let path = place.folder.join(format!("{name}.conf"));
        std::fs::write(&path, text).doing(|| format!("write {}", path.display()))?;
        let output = path.with_extension("noodle");
        let noodle = [place.noodle.display().to_string(), path.display().to_string()];
        let command: Vec<String> = wrapper.iter().cloned().chain(noodle).collect();
        let mut child = Child::spawn("noodle", Path::new(&command[0]), &command[1..], output)?;
        let address = child.wait_for(healthy_api)?;
        Ok(Self { child, address })
    }

    /// What it answers.
    pub(crate) fn get(&self, path: &str) -> Result<Vec<u8>, Error> {
        http::get(self.address, path)
    }

    /// Asks so often on one connection.
    pub(crate) fn ask(&self, path: &str, times: u64) -> Result<(), Error> {
        let ask = || {
            let mut connection = Connection::open(self.address)?;
            (0..times).try_for_each(|_| connection.ask(path))
        };
        ask().doing(|| "ask Noodle".to_owned())
    }

    /// Has it end by itself.
    pub(crate) fn stop(self) -> Result<(), Error> {
        let status = self.child.stop()?;
        let well = status.is_some_and(|status| status.success());
        well.then_some(()).ok_or_else(|| Error::Meaningless(format!("noodle stopped with {status:?}")))
    }

    /// In MiB.
    pub(crate) fn peak_memory(&self) -> Result<f64, Error> {
        Ok(procfs::peak_memory(self.child.pid())? as f64 / 1024.0)
    }

    /// As many requests as go, each by the path of its number.
    pub(crate) fn run(&self, seconds: u64, path: fn(u64) -> String) -> Result<Run, Error> {
        let number = AtomicU64::new(0);
        let (start, before) = (Instant::now(), self.child.cpu_time()?);
        let end = start + Duration::from_secs(seconds);
        let ask = || -> std::io::Result<u64> {
            let mut connection = Connection::open(self.address)?;
            let mut requests = 0;
            while Instant::now() < end {
                connection.ask(&path(number.fetch_add(1, Ordering::Relaxed)))?;
                requests += 1;
            }
            Ok(requests)
        };
        let asked = thread::scope(|scope| {
            let clients: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(ask)).collect();
            clients.into_iter().map(|client| client.join().unwrap_or(Ok(0))).sum::<std::io::Result<u64>>()
        });
        let requests = asked.doing(|| "ask Noodle".to_owned())?.max(1);
        let cpu = self.child.cpu_time()? - before;
        Ok(Run {
            requests,
            requests_per_second: requests as f64 / start.elapsed().as_secs_f64(),
            cpu_us_per_request: cpu.as_secs_f64() * 1e6 / requests as f64,
        })
    }
}

/// A client's connection, kept.
struct Connection(BufReader<TcpStream>);

impl Connection {
    fn open(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(Self(BufReader::new(stream)))
    }

    fn ask(&mut self, path: &str) -> std::io::Result<()> {
        write!(self.0.get_mut(), "GET {path} HTTP/1.1\r\nHost: noodle\r\n\r\n")?;
        let length = head(&mut self.0, |status| status.contains(" 200 "))?;
        std::io::copy(&mut (&mut self.0).take(length), &mut std::io::sink())?;
        Ok(())
    }
}

/// Reads a head, and says how long the body is.
fn head(reader: &mut impl BufRead, is_fine: impl Fn(&str) -> bool) -> std::io::Result<u64> {
    let (mut line, mut length, mut is_first) = (String::new(), 0, true);
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if is_first && !is_fine(&line) {
            return Err(std::io::Error::other(line));
        }
        is_first = false;
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(found) = line.strip_prefix("content-length: ") {
            length = found.parse().map_err(std::io::Error::other)?;
        }
        if line.is_empty() {
            return Ok(length);
        }
    }
}

/// Answers every request with this text, as a Visage whose files are in memory would.
pub(crate) fn visage(text: &[u8]) -> Result<String, Error> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).doing(|| "find a free port".to_owned())?;
    let address = listener.local_addr().doing(|| "read back a port".to_owned())?;
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        text.len()
    );
    let answer = [head.as_bytes(), text].concat();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let answer = answer.clone();
            thread::spawn(move || {
                let _ = client.set_nodelay(true);
                let mut client = BufReader::new(client);
                while head_of_request(&mut client).is_ok() && client.get_mut().write_all(&answer).is_ok() {}
            });
        }
    });
    Ok(format!("http://{address}"))
}

fn head_of_request(client: &mut impl BufRead) -> std::io::Result<u64> {
    head(client, |line| line.starts_with("GET "))
}

/// One hour of one host, which ends at another row each time: so no answer is one that was kept.
pub(crate) fn hour(number: u64) -> String {
    let finish = LAST - i64::try_from(number % 1_600).unwrap_or(0) * 10;
    format!("/data/web0/load/load?start={}&finish={finish}", finish - HOUR)
}

/// The last hour of one host.
pub(crate) fn last_hour(_: u64) -> String {
    hour(0)
}

/// The last hour of all hosts.
pub(crate) fn last_hour_of_all() -> String {
    format!("/data/*/load/load?start={}&finish={LAST}", LAST - HOUR)
}
