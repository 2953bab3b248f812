//! A storage node, by whichever way its files are written.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use coco_harness::collectd::StorageNode;
use coco_harness::directory::Directory;
use coco_harness::rrdcached::Rrdcached;
use rrd::file::{HEAD, Head, RrdFile};

/// What a node keeps values in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// collectd's rrdtool plugin with `CacheTimeout 0`, which keeps none.
    AtOnce,
    /// The same with `CacheTimeout 15`.
    Cached,
    /// The same, which is told by SIGUSR1 to write.
    Signalled,
    /// An rrdcached.
    Rrdcached,
}

/// A storage node, and what it is read through.
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// Where its files are.
    pub(crate) data: PathBuf,
    // Dropped in this order: who writes before who keeps.
    pub(crate) storage: StorageNode,
    daemon: Rrdcached,
    base: Directory,
    pub(crate) is_down: bool,
}

impl Node {
    pub(crate) fn start(name: &str, kind: Kind) -> Self {
        let base = Directory::new(name);
        let (storage, daemon, data) = match kind {
            Kind::Rrdcached => {
                let daemon = Rrdcached::start(base.path());
                let storage = StorageNode::with_rrdcached_of_long_rows(name, &daemon.socket, base.path());
                (storage, daemon, base.path().to_owned())
            }
            Kind::AtOnce | Kind::Cached | Kind::Signalled => {
                let storage = StorageNode::with_long_rows(name, if kind == Kind::AtOnce { 0 } else { 15 });
                let data = storage.rrd_files();
                std::fs::create_dir_all(&data).expect("a directory");
                let daemon = Rrdcached::start(&data);
                (storage, daemon, data)
            }
        };
        let node = Self { name: name.to_owned(), kind, data, storage, daemon, base, is_down: false };
        node.write_process_id();
        node
    }

    /// collectd writes its `PIDFile` only where nobody supervises it.
    fn write_process_id(&self) {
        self.base.write("collectd.pid", &format!("{}\n", self.storage.process_id()));
    }

    /// How the configuration has it as a target.
    pub(crate) fn target(&self) -> String {
        let Self { name, storage, daemon, .. } = self;
        format!(
            "{{ name = \"{name}\", address = \"{}\", fetch = \"rrdcached://{}\" }}",
            storage.address, daemon.address
        )
    }

    /// Who writes its files, for `cococtl node --writer`.
    pub(crate) fn writer(&self) -> String {
        match self.kind {
            Kind::AtOnce => "none".to_owned(),
            Kind::Cached => format!("collectd:{}", self.storage.socket().display()),
            Kind::Signalled => format!("signal:{}", self.base.path().join("collectd.pid").display()),
            Kind::Rrdcached => format!("rrdcached:{}", self.daemon.socket.display()),
        }
    }

    /// Has it take what has arrived, and write what it keeps.
    pub(crate) fn flush(&self) {
        self.storage.nudge();
        let (socket, command) = match self.kind {
            Kind::AtOnce => return,
            Kind::Cached | Kind::Signalled => (self.storage.socket(), "FLUSH plugin=rrdtool\n"),
            Kind::Rrdcached => (self.daemon.socket.clone(), "FLUSHALL\n"),
        };
        let mut stream = UnixStream::connect(socket).expect("a node takes commands");
        stream.write_all(command.as_bytes()).expect("a node takes commands");
        let mut answer = [0; 256];
        let length = stream.read(&mut answer).expect("an answer");
        assert!(answer[..length].starts_with(b"0 "), "{:?}", String::from_utf8_lossy(&answer[..length]));
    }

    pub(crate) fn file(&self, host: &str, metric: &str) -> PathBuf {
        self.data.join(host).join(metric).with_extension("rrd")
    }

    /// The last update of a file, as far as it is written.
    pub(crate) fn last(&self, host: &str, metric: &str) -> Option<i64> {
        let mut bytes = Vec::new();
        let file = std::fs::File::open(self.file(host, metric)).ok()?;
        file.take(HEAD as u64).read_to_end(&mut bytes).expect("a file");
        // It may be in the middle of being made.
        Head::read(&bytes).ok().map(|head| head.last.seconds)
    }

    /// Everything of it fails at once.
    pub(crate) fn kill(&mut self) {
        self.storage.kill_in_place();
        self.daemon.process.signal(nix::sys::signal::Signal::SIGKILL);
        self.daemon.process.ended(coco_harness::wait::PATIENCE);
        self.is_down = true;
    }

    /// It comes back with the files that it had.
    pub(crate) fn start_again(&mut self) {
        self.daemon.start_again();
        self.storage.start_again();
        self.write_process_id();
        self.is_down = false;
    }

    /// Ends it with all that it got in its files.
    pub(crate) fn stop(&mut self) {
        if self.is_down {
            return;
        }
        self.storage.nudge();
        self.storage.stop_in_place();
        assert!(self.daemon.process.stop().success());
    }
}

/// A file as it stands, read without librrd's lock.
pub(crate) fn read(file: &Path) -> RrdFile {
    let bytes = std::fs::read(file).unwrap_or_else(|problem| panic!("{}: {problem}", file.display()));
    RrdFile::read(bytes).unwrap_or_else(|problem| panic!("{}: {problem}", file.display()))
}

/// All RRD files below a directory, by their names there.
pub(crate) fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left = vec![directory.to_owned()];
    while let Some(next) = left.pop() {
        for entry in std::fs::read_dir(next).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                left.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rrd") {
                found.push(path.strip_prefix(directory).expect("it is below").to_owned());
            }
        }
    }
    found
}
