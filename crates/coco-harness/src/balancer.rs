//! Real balancers with the configurations of `etc`, and clients that ask through them all the time.
//!
//! They listen on UNIX sockets, whose names are free.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::directory::Directory;
use crate::process::Process;
use crate::text::replaced;
use crate::wait::{PATIENCE, wait_until};

/// A balancer in front of two servers.
#[derive(Debug)]
pub struct Balancer {
    process: Process,
    directory: Directory,
}

impl Balancer {
    /// HAProxy with `etc/haproxy/noodle.cfg`.
    ///
    /// # Panics
    /// When it doesn't come up.
    #[must_use]
    pub fn haproxy(noodles: [SocketAddr; 2], cocos: [SocketAddr; 2]) -> Self {
        let directory = Directory::new("haproxy");
        let at = |name: &str| directory.path().join(name).display().to_string();
        let config = replaced(
            &sample("haproxy/noodle.cfg"),
            &[
                ("/run/haproxy/admin.sock", &at("admin")),
                ("bind :9080", &format!("bind unix@{}", at("noodle"))),
                ("bind :9090", &format!("bind unix@{}", at("coco"))),
                ("noodle1.example.org:9080", &noodles[0].to_string()),
                ("noodle2.example.org:9080", &noodles[1].to_string()),
                ("coco1.example.org:9090", &cocos[0].to_string()),
                ("coco2.example.org:9090", &cocos[1].to_string()),
                // So that no test waits long.
                ("inter 1s", "inter 100ms"),
            ],
        );
        let path = directory.write("haproxy.cfg", &config);
        // As Debian starts it: a master that can be told to read the file again.
        Self::start("haproxy", Command::new("haproxy").arg("-W").arg("-f").arg(path), directory)
    }

    /// Has HAProxy read its file again, which a new process serves by from then on.
    ///
    /// # Panics
    /// When it doesn't.
    pub fn reload(&mut self) {
        let loads = |process: &Process| process.stderr().matches("Loading success").count();
        let before = loads(&self.process);
        self.process.signal(Signal::SIGUSR2);
        self.process.wait_for("a reload", |process| (loads(process) > before).then_some(()));
    }

    /// nginx with `etc/nginx/noodle.conf`.
    ///
    /// # Panics
    /// When it doesn't come up.
    #[must_use]
    pub fn nginx(noodles: [SocketAddr; 2]) -> Self {
        let directory = Directory::new("nginx");
        let base = directory.path().display();
        let site = replaced(
            &sample("nginx/noodle.conf"),
            &[
                ("listen 9080", &format!("listen unix:{base}/noodle")),
                ("noodle1.example.org:9080", &noodles[0].to_string()),
                ("noodle2.example.org:9080", &noodles[1].to_string()),
                // As much less than the tests' Noodle has.
                ("keepalive_timeout 60s", "keepalive_timeout 1s"),
            ],
        );
        // What Debian's nginx.conf has around its sites, with nothing outside of the directory.
        let paths: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|what| format!("{what}_temp_path {base}/{what};\n"))
            .concat();
        let config = format!(
            "user root;\ndaemon off;\npid {base}/pid;\nerror_log stderr;\nevents {{}}\n\
             http {{\naccess_log off;\n{paths}{site}}}\n"
        );
        let path = directory.write("nginx.conf", &config);
        Self::start(
            "nginx",
            Command::new("nginx").arg("-p").arg(directory.path()).arg("-c").arg(path),
            directory,
        )
    }

    fn start(name: &str, command: &mut Command, directory: Directory) -> Self {
        let path = std::env::join_paths(
            std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).chain(["/usr/sbin".into()]),
        );
        command.env("PATH", path.expect("no colon in it"));
        let mut process = Process::start(name, directory.path(), command);
        let front = directory.path().join("noodle");
        process.wait_for("its socket", |_| UnixStream::connect(&front).ok().map(drop));
        Self { process, directory }
    }

    /// Where it listens for clients of Noodle.
    #[must_use]
    pub fn front(&self) -> PathBuf {
        self.directory.path().join("noodle")
    }

    /// What HAProxy says of a server: `UP` or `DOWN`, and of its last check.
    ///
    /// # Panics
    /// When it knows no such server.
    #[must_use]
    pub fn state(&self, server: &str) -> (String, String) {
        let mut admin =
            UnixStream::connect(self.directory.path().join("admin")).expect("a socket for admins");
        admin.set_read_timeout(Some(PATIENCE)).expect("SO_RCVTIMEO");
        admin.write_all(b"show stat\n").expect("it reads");
        let mut table = String::new();
        admin.read_to_string(&mut table).expect("a table");
        let mut lines = table.lines();
        let names = lines.next().unwrap_or_default().trim_start_matches("# ").split(',');
        let names: Vec<_> = names.collect();
        let row = lines
            .map(|line| names.iter().copied().zip(line.split(',')).collect::<BTreeMap<_, _>>())
            .find(|row| row.get("svname") == Some(&server));
        let row = row.unwrap_or_else(|| panic!("no {server} in {table}"));
        (row["status"].to_owned(), format!("{} {}", row["check_status"], row["check_code"]))
    }

    /// Waits until HAProxy says this of a server and of its last check.
    ///
    /// # Panics
    /// When it doesn't.
    pub fn wait_for_state(&mut self, server: &str, status: &str, check: &str) {
        assert!(!self.process.has_ended(), "the balancer has ended");
        let expected = (status.to_owned(), check.to_owned());
        wait_until(PATIENCE, format_args!("{server} {status} by {check}"), || self.state(server) == expected);
    }
}

fn sample(path: &str) -> String {
    let path = crate::repository().join("etc").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Clients that each ask on and on, and what they heard.
#[derive(Debug)]
pub struct Load {
    heard: Arc<Heard>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Heard {
    stop: AtomicBool,
    answers: AtomicU64,
    failures: Mutex<Vec<String>>,
}

impl Load {
    /// So many clients that GET `path`; `pause` is how long a client waits behind its answer of this number.
    #[must_use]
    pub fn begin(
        front: &Path,
        clients: u32,
        path: &str,
        pause: fn(client: u32, answer: u32) -> Duration,
    ) -> Self {
        let heard = Arc::new(Heard::default());
        let request = format!("GET {path} HTTP/1.1\r\nHost: noodle.example.org\r\n\r\n");
        let client = |client| {
            let (heard, front, request) = (Arc::clone(&heard), front.to_owned(), request.clone());
            std::thread::spawn(move || heard.ask(&front, &request, |answer| pause(client, answer)))
        };
        let threads = (0..clients).map(client).collect();
        Self { heard, threads }
    }

    /// Waits until so many more requests are answered.
    ///
    /// # Panics
    /// When one was not.
    pub fn wait_for_answers(&self, more: u64) {
        let until = self.heard.answers.load(Ordering::Relaxed) + more;
        wait_until(PATIENCE, format_args!("{more} more answers"), || {
            self.heard.assert_no_failure();
            self.heard.answers.load(Ordering::Relaxed) >= until
        });
    }

    /// Ends all, and returns how many requests were answered.
    ///
    /// # Panics
    /// When one was not.
    #[must_use]
    pub fn end(self) -> u64 {
        self.heard.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().expect("a client");
        }
        self.heard.assert_no_failure();
        self.heard.answers.load(Ordering::Relaxed)
    }
}

impl Heard {
    fn ask(&self, front: &Path, request: &str, pause: impl Fn(u32) -> Duration) {
        let mut connection = None;
        for answer in 0.. {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            match get(&mut connection, front, request) {
                Ok(200) => _ = self.answers.fetch_add(1, Ordering::Relaxed),
                Ok(status) => self.fail(format!("status {status}")),
                Err(error) => {
                    self.fail(error.to_string());
                    connection = None;
                }
            }
            std::thread::sleep(pause(answer));
        }
    }

    fn fail(&self, failure: String) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).push(failure);
    }

    fn assert_no_failure(&self) {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let answers = self.answers.load(Ordering::Relaxed);
        assert!(failures.is_empty(), "{} failures beside {answers} answers: {failures:?}", failures.len());
    }
}

/// GETs by a connection that is kept unless the answer says otherwise, and returns the status.
fn get(connection: &mut Option<BufReader<UnixStream>>, front: &Path, request: &str) -> io::Result<u16> {
    let mut stream = match connection.take() {
        Some(stream) => stream,
        None => {
            let stream = UnixStream::connect(front)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            BufReader::new(stream)
        }
    };
    stream.get_mut().write_all(request.as_bytes())?;
    let (mut status, mut length, mut is_last) = (None, 0, false);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end().to_ascii_lowercase();
        match line.split_once(": ") {
            _ if line.is_empty() => break,
            Some(("content-length", value)) => length = value.parse().unwrap_or(0),
            Some(("connection", "close")) => is_last = true,
            Some(_) => {}
            None => status = line.split(' ').nth(1).and_then(|word| word.parse().ok()),
        }
    }
    stream.read_exact(&mut vec![0; length])?;
    if !is_last {
        *connection = Some(stream);
    }
    status.ok_or_else(|| io::ErrorKind::InvalidData.into())
}
