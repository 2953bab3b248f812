//! Noodle and nginx as proxies of the same answer, with wrk as their clients.

use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use regex::Regex;
use serde::Serialize;
use serde_json::{Value, json};

use crate::answer::Layout;
use crate::child::{self, Child};
use crate::cpus::Kept;
use crate::error::{Doing, Error};
use crate::http;
use crate::meters::{Beside, Meters};
use crate::procfs;
use crate::subject::{Place, healthy_api};

/// Clients at a time.
const CONNECTIONS: usize = 16;

/// What every request asks for, as Visage's own pages ask.
pub(crate) const REQUEST: &str = "/data/web-1.example.org/load?start=1700000000&finish=1700003600";

/// What keeps nginx from closing connections under load.
const LASTING: &str = "keepalive_requests 1000000000;";

/// Who passes requests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proxy {
    /// One worker, `proxy_pass` with connections kept.
    Nginx,
    /// Noodle with one tier of one target.
    Noodle,
}

impl Proxy {
    /// What tables and errors call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Noodle => "noodle",
        }
    }
}

/// What one run took, and gave.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Run {
    pub(crate) subject: &'static str,
    pub(crate) requests: u64,
    pub(crate) requests_per_second: f64,
    pub(crate) cpu_us_per_request: f64,
    /// Since the proxy was started.
    pub(crate) peak_memory_kib: u64,
    #[serde(flatten)]
    pub(crate) beside: Beside,
    /// Requests that got anything but the answer.
    pub(crate) problems: Vec<String>,
}

/// Programs that this benchmark never installs.
pub(crate) struct Tools {
    nginx: PathBuf,
    wrk: PathBuf,
}

impl Tools {
    /// Finds them, or says what to install.
    pub(crate) fn find() -> Result<Self, Error> {
        Ok(Self { nginx: find("nginx", "nginx-light")?, wrk: find("wrk", "wrk")? })
    }
}

fn find(name: &str, package: &str) -> Result<PathBuf, Error> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian has servers in directories that only root has in its path.
    let more = ["/usr/local/sbin", "/usr/sbin"].map(PathBuf::from);
    let found =
        std::env::split_paths(&path).chain(more).map(|folder| folder.join(name)).find(|path| path.is_file());
    found.ok_or_else(|| {
        Error::Meaningless(format!(
            "no {name} on the PATH, which the row noodle needs: install it (Debian: {package})"
        ))
    })
}

/// A backend and both proxies before it.
pub(crate) struct Proxies {
    wrk: PathBuf,
    backend: Child,
    nginx: (Child, SocketAddr),
    noodle: (Child, SocketAddr),
    /// Kept until all is over.
    _cpus: Kept,
}

impl Proxies {
    /// Starts all of them, and sees that both give the answer.
    pub(crate) fn start(place: &Place, tools: &Tools, layout: Layout) -> Result<Self, Error> {
        let cpus = place.cpus.keep(1)?;
        let answer = layout.answer();
        let path = place.folder.join("answer.json");
        std::fs::write(&path, &answer).doing(|| format!("write {}", path.display()))?;
        let file = format!("root {}; try_files /answer.json =404;", place.folder.display());
        let (backend, address) = serve(place, &tools.nginx, &[], "backend", "", &file)?;
        let upstream = format!("upstream backend {{ server {address}; keepalive {CONNECTIONS}; {LASTING} }}");
        let pass = "proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection \"\";";
        let nginx = serve(place, &tools.nginx, cpus.subject(), "nginx", &upstream, pass)?;
        let noodle = noodle(place, cpus.subject(), address)?;
        let proxies = Self { wrk: tools.wrk.clone(), backend, nginx, noodle, _cpus: cpus };
        proxies.check(&answer)?;
        Ok(proxies)
    }

    /// Both pass the answer on; Noodle says where it comes from.
    fn check(&self, answer: &str) -> Result<(), Error> {
        let before_the_last_brace = answer[..answer.len() - 1].trim_end();
        for (proxy, begins) in [(Proxy::Nginx, answer), (Proxy::Noodle, before_the_last_brace)] {
            let (_, address) = self.child(proxy);
            let got = http::get(address, REQUEST)?;
            if !got.starts_with(begins.as_bytes()) {
                let problem = format!("another answer than the backend's: {}", String::from_utf8_lossy(&got));
                return Err(Error::Answer { from: proxy.name().to_owned(), problem });
            }
        }
        Ok(())
    }

    fn child(&self, proxy: Proxy) -> (&Child, SocketAddr) {
        match proxy {
            Proxy::Nginx => (&self.nginx.0, self.nginx.1),
            Proxy::Noodle => (&self.noodle.0, self.noodle.1),
        }
    }

    /// As many requests through one of them as go.
    pub(crate) fn run(&self, proxy: Proxy, seconds: u64) -> Result<Run, Error> {
        let (child, address) = self.child(proxy);
        let url = format!("http://{address}{REQUEST}");
        let connections = CONNECTIONS.to_string();
        let duration = format!("{seconds}s");
        let arguments = ["-t1", "-c", &connections, "-d", &duration, &url];
        let start = Meters::read(child, &[&self.backend])?;
        let report = Report::read(&child::output(&self.wrk, arguments)?)?;
        let end = Meters::read(child, &[&self.backend])?;
        Ok(Run {
            subject: proxy.name(),
            requests: report.requests,
            requests_per_second: report.requests as f64 / end.seconds_since(&start),
            cpu_us_per_request: end.cpu_since(&start).as_secs_f64() * 1e6 / report.requests.max(1) as f64,
            peak_memory_kib: procfs::peak_memory(child.pid())?,
            beside: end.beside_since(&start),
            problems: report.problems,
        })
    }

    /// What Noodle's books have against the runs; stops everything.
    pub(crate) fn finish(self) -> Result<Vec<String>, Error> {
        let (noodle, address) = self.noodle;
        let mut problems = unwanted(&http::get_json(address, "/debug/vars")?["noodle"]);
        match noodle.stop()? {
            None => problems.push("did not stop, had to be killed".to_owned()),
            Some(status) if !status.success() => problems.push(format!("stopped with {status}")),
            Some(_) => {}
        }
        Ok(problems)
    }
}

/// Counters of what should not have happened.
fn unwanted(noodle: &Value) -> Vec<String> {
    let codes = &noodle["fetch.target.response.codes"];
    let errors = noodle["errors"].as_object().into_iter().chain(codes.as_object()).flatten();
    let happened = errors.filter(|(name, count)| *name != "200" && **count != json!(0));
    happened.map(|(name, count)| format!("noodle counted {name}: {count}")).collect()
}

/// What wrk said.
struct Report {
    requests: u64,
    problems: Vec<String>,
}

impl Report {
    fn read(text: &str) -> Result<Self, Error> {
        let requests = Regex::new(r"(\d+) requests in").expect("a constant").captures(text);
        let requests = requests.and_then(|found| found[1].parse().ok()).filter(|requests| *requests > 0);
        let wrong = || Error::Answer { from: "wrk".to_owned(), problem: text.to_owned() };
        let problems = text.lines().map(str::trim);
        let problems =
            problems.filter(|line| line.starts_with("Non-2xx") || line.starts_with("Socket errors"));
        Ok(Self { requests: requests.ok_or_else(wrong)?, problems: problems.map(str::to_owned).collect() })
    }
}

/// Starts an nginx with one worker, which does this wherever it is asked.
fn serve(
    place: &Place,
    nginx: &Path,
    cpus: &[usize],
    name: &str,
    upstream: &str,
    location: &str,
) -> Result<(Child, SocketAddr), Error> {
    let folder = place.folder.join(name);
    std::fs::create_dir_all(&folder).doing(|| format!("make {}", folder.display()))?;
    let address = free_port()?;
    let mut config = format!(
        "daemon off; master_process off; worker_processes 1; error_log stderr; pid {}/pid;\n\
         events {{ worker_connections 1024; }}\n\
         http {{\naccess_log off; default_type application/json; {LASTING}\n",
        folder.display()
    );
    let mut add = |line: std::fmt::Arguments<'_>| config.write_fmt(line).expect("a string takes anything");
    for temporary in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        add(format_args!("{temporary}_temp_path {}/{temporary};\n", folder.display()));
    }
    add(format_args!("{upstream}\nserver {{ listen {address}; location / {{ {location} }} }}\n}}\n"));
    let path = folder.join("nginx.conf");
    std::fs::write(&path, config).doing(|| format!("write {}", path.display()))?;
    let mut child = Child::spawn_on(cpus, name, nginx, [Path::new("-c"), &path], folder.join("output"))?;
    child.wait_for(|_| Ok(http::get(address, REQUEST).is_ok().then_some(())))?;
    Ok((child, address))
}

/// Starts Noodle in front of the backend.
fn noodle(place: &Place, cpus: &[usize], backend: SocketAddr) -> Result<(Child, SocketAddr), Error> {
    let path = place.folder.join("noodle.conf");
    std::fs::write(&path, config(backend)).doing(|| format!("write {}", path.display()))?;
    let output = place.folder.join("noodle.output");
    let mut child = Child::spawn_on(cpus, "noodle", &place.noodle, [&path], output)?;
    let address = child.wait_for(healthy_api)?;
    Ok((child, address))
}

fn config(backend: SocketAddr) -> String {
    format!(
        "[fetch]\nbind = \"127.0.0.1:0\"\n[tiers.shortterm]\n\
         targets = [{{ address = \"127.0.0.1:25826\", fetch = \"http://{backend}\" }}]\n"
    )
}

/// nginx takes no port of the system's choice, so it gets one that was free a moment ago.
fn free_port() -> Result<SocketAddr, Error> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).doing(|| "find a free port".to_owned())?;
    listener.local_addr().doing(|| "read back a port".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use coco_core::config::NoodleConfig;

    #[test]
    fn the_configuration_is_one_that_noodle_accepts() {
        let config = NoodleConfig::parse(&config(([127, 0, 0, 1], 8080).into())).unwrap();
        let tier = config.tiers.get(0).unwrap();
        assert_eq!(tier.targets()[0].fetch.as_ref().unwrap().to_string(), "http://127.0.0.1:8080");
    }

    #[test]
    fn a_report_says_how_many_and_what_went_wrong() {
        let report = Report::read(
            "  Socket errors: connect 0, read 0, write 0, timeout 3\n  49345 requests in 4.00s, 488.26MB read\n  \
             Non-2xx or 3xx responses: 7\nRequests/sec:  12336.01\n",
        );
        let report = report.unwrap();
        assert_eq!((report.requests, report.problems.len()), (49_345, 2));
        assert!(Report::read("unable to connect").is_err());
    }

    #[test]
    fn only_answers_with_200_are_wanted() {
        let good =
            json!({"fetch.target.response.codes": {"200": 5, "502": 0}, "errors": {"fetch.http.get": 0}});
        assert_eq!(unwanted(&good), Vec::<String>::new());
        let bad =
            json!({"fetch.target.response.codes": {"200": 5, "502": 1}, "errors": {"fetch.http.get": 2}});
        assert_eq!(unwanted(&bad).len(), 2);
    }
}
