//! RRD files of a storage node, written and served by a real rrdcached where one is installed: what collectd's rrdcached
//! plugin does on a real node.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use coco_core::value_list::Value;

/// The program.
const PROGRAM: &str = "rrdcached";

/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_secs(5);

/// Value lists that wait to be written; what comes beyond them is not.
const WAITING: usize = 10_000;

/// Files that are made; what comes beyond them is not written.
const FILES: usize = 10_000;

/// Rows of a file: ten minutes at one a second.
const ROWS: usize = 600;

/// The commands that a reader needs.
const READERS: &str = "PING,FETCH,FETCHBIN,LIST,FIRST,LAST,INFO,STATS";

/// Values of one file.
#[derive(Debug)]
pub(super) struct Update {
    /// The host, the directory of the plugin, and the file less `.rrd`.
    pub(super) path: [Vec<u8>; 3],
    /// Unix seconds.
    pub(super) time: i64,
    /// Seconds from one value to the next.
    pub(super) step: i64,
    /// Data sources and their values.
    pub(super) values: Vec<(String, Value)>,
}

/// A daemon and its files, which are gone when this is dropped.
#[derive(Debug)]
pub struct Files {
    /// Where Noodle reads them.
    pub url: String,
    directory: PathBuf,
    daemon: Child,
    updates: Option<SyncSender<Update>>,
    writer: Option<JoinHandle<()>>,
    written: Arc<AtomicU64>,
}

/// Where the program is, if it is on the `PATH`.
pub fn installed() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|place| place.join(PROGRAM)).find(|program| program.is_file())
}

impl Files {
    /// Starts a daemon over a new directory.
    pub fn start(program: &Path) -> io::Result<Self> {
        let directory = new_directory()?;
        let started = Self::start_in(program, &directory);
        if started.is_err() {
            // It is as empty as it was.
            let _ = std::fs::remove_dir_all(&directory);
        }
        started
    }

    fn start_in(program: &Path, directory: &Path) -> io::Result<Self> {
        let base = directory.join("rrd");
        std::fs::create_dir(&base)?;
        // It takes no port of the system's choice, so it gets one that was free a moment ago.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let socket = directory.join("socket");
        let (pid, unix) =
            (directory.join("pid"), [OsStr::new("unix:"), socket.as_os_str()].join(OsStr::new("")));
        // What stands behind -P is for the sockets behind it: over the network nobody writes.
        let mut command = Command::new(program);
        command.args(["-g", "-B", "-R", "-b"]).arg(&base).arg("-p").arg(&pid).arg("-l").arg(&unix);
        command.args(["-P", READERS, "-l", &address.to_string()]);
        let mut daemon = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let stream = match connected(&socket, &mut daemon) {
            Ok(stream) => stream,
            Err(problem) => {
                end(&mut daemon);
                return Err(problem);
            }
        };
        let (updates, waiting) = sync_channel(WAITING);
        let written = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&written);
        let writer = std::thread::Builder::new().name("rrdcached".to_owned());
        // Who can't write any more has nothing to say that the missing rows don't.
        let writer = writer.spawn(move || drop(write(&stream, &waiting, &count)))?;
        let url = format!("rrdcached://{address}");
        let (updates, writer) = (Some(updates), Some(writer));
        Ok(Self { url, directory: directory.to_owned(), daemon, updates, writer, written })
    }

    /// Has values written, if there is room for them.
    pub(super) fn sender(&self) -> Option<SyncSender<Update>> {
        self.updates.clone()
    }

    /// How many updates the daemon has taken.
    pub fn written(&self) -> u64 {
        self.written.load(Relaxed)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        drop(self.updates.take());
        end(&mut self.daemon);
        // The end of the daemon is that of its connection.
        let _ = self.writer.take().map(JoinHandle::join);
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// Nothing in memory is worth a clean end.
fn end(daemon: &mut Child) {
    let _ = daemon.kill();
    let _ = daemon.wait();
}

/// A directory of one's own, which nobody else can have made.
fn new_directory() -> io::Result<PathBuf> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = format!("cococtl-{}-{}", std::process::id(), NUMBER.fetch_add(1, Relaxed));
    let directory = std::env::temp_dir().join(name);
    std::fs::DirBuilder::new().mode(0o700).create(&directory)?;
    Ok(directory)
}

fn connected(socket: &Path, daemon: &mut Child) -> io::Result<UnixStream> {
    let start = Instant::now();
    loop {
        match UnixStream::connect(socket) {
            Ok(stream) => return Ok(stream),
            Err(problem) if start.elapsed() > PATIENCE || daemon.try_wait()?.is_some() => {
                return Err(problem);
            }
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// Writes what comes, each file being made when it is met first.
fn write(stream: &UnixStream, updates: &Receiver<Update>, written: &AtomicU64) -> io::Result<()> {
    let mut replies = BufReader::new(stream);
    let mut made = HashSet::new();
    let mut said = |line: String| -> io::Result<String> {
        (&*stream).write_all(line.as_bytes())?;
        let mut reply = String::new();
        match replies.read_line(&mut reply)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(reply),
        }
    };
    for update in updates {
        let Some(path) = path(&update.path) else { continue };
        if !made.contains(&path) {
            if made.len() == FILES {
                continue;
            }
            said(creation(&path, &update))?;
            made.insert(path.clone());
        }
        let values: String = update.values.iter().map(|(_, value)| format!(":{}", shown(*value))).collect();
        if said(format!("UPDATE {path} {}{values}\n", update.time))?.starts_with('0') {
            written.fetch_add(1, Relaxed);
        }
    }
    Ok(())
}

/// Names that need no escape, and lead nowhere else.
fn path(parts: &[Vec<u8>; 3]) -> Option<String> {
    let is_plain = |part: &Vec<u8>| {
        part.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(byte))
            && !part.starts_with(b".")
    };
    parts.iter().all(is_plain).then(|| format!("{}.rrd", String::from_utf8_lossy(&parts.join(&b'/'))))
}

fn creation(path: &str, update: &Update) -> String {
    let (begin, step) = (update.time - update.step, update.step);
    let mut line = format!("CREATE {path} -b {begin} -s {step}");
    for (name, value) in &update.values {
        let kind = match value {
            Value::Counter(_) => "COUNTER",
            Value::Gauge(_) => "GAUGE",
            Value::Derive(_) => "DERIVE",
            Value::Absolute(_) => "ABSOLUTE",
        };
        line += &format!(" DS:{name}:{kind}:{}:U:U", 2 * step);
    }
    line + &format!(" RRA:AVERAGE:0.5:1:{ROWS}\n")
}

fn shown(value: Value) -> String {
    match value {
        Value::Gauge(value) if value.is_finite() => value.to_string(),
        Value::Gauge(_) => "U".to_owned(),
        Value::Counter(value) | Value::Absolute(value) => value.to_string(),
        Value::Derive(value) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(host: &str) -> Update {
        let values = vec![("rx".to_owned(), Value::Derive(-5)), ("tx".to_owned(), Value::Gauge(f64::NAN))];
        let path = [host, "interface-eth0", "if_octets"].map(|part| part.as_bytes().to_vec());
        Update { path, time: 1_000, step: 10, values }
    }

    #[test]
    fn files_are_made_as_collectd_makes_them() {
        let update = update("web1");
        let path = path(&update.path).unwrap();
        assert_eq!(path, "web1/interface-eth0/if_octets.rrd");
        assert_eq!(
            creation(&path, &update),
            "CREATE web1/interface-eth0/if_octets.rrd -b 990 -s 10 DS:rx:DERIVE:20:U:U DS:tx:GAUGE:20:U:U \
             RRA:AVERAGE:0.5:1:600\n"
        );
        assert_eq!(update.values.iter().map(|(_, value)| shown(*value)).collect::<Vec<_>>(), ["-5", "U"]);
    }

    #[test]
    fn names_that_would_say_something_to_the_daemon_are_no_files() {
        for host in ["..", "a b", "a\nFLUSHALL", "a/b", ".a"] {
            assert_eq!(path(&update(host).path), None, "{host:?}");
        }
    }
}
