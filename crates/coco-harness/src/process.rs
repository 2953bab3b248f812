//! Child processes that end with the test, whichever way the test ends.

use std::fmt::Display;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::wait::{PATIENCE, wait_for};

/// A running child. On drop it is killed, and while a test panics it prints what it has written.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Process {
    /// Starts `command` with its output going to files in `directory`.
    ///
    /// # Panics
    /// When the program is not there.
    #[must_use]
    pub fn start(name: &str, directory: &Path, command: &mut Command) -> Self {
        let file = |stream| {
            let path = directory.join(stream);
            File::create(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).into()
        };
        Self::start_into(name, directory, command, [file("stdout"), file("stderr")])
    }

    /// Starts `command` with standard output and standard error going elsewhere.
    ///
    /// # Panics
    /// When the program is not there.
    #[must_use]
    pub fn start_into(name: &str, directory: &Path, command: &mut Command, [out, error]: [Stdio; 2]) -> Self {
        Self::start_with(name, directory, command, [Stdio::null(), out, error])
    }

    /// Starts `command` with these as standard input, standard output and standard error.
    ///
    /// # Panics
    /// When the program is not there.
    #[must_use]
    pub fn start_with(name: &str, directory: &Path, command: &mut Command, streams: [Stdio; 3]) -> Self {
        let [input, out, error] = streams;
        let child = command
            .stdin(input)
            .stdout(out)
            .stderr(error)
            .spawn()
            .unwrap_or_else(|error| panic!("can't start {command:?}: {error}"));
        let [stdout, stderr] = ["stdout", "stderr"].map(|stream| directory.join(stream));
        Self { name: name.to_owned(), child, stdout, stderr }
    }

    /// What it has written to standard output so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        lossy(&self.stdout)
    }

    /// What it has written to standard error so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        lossy(&self.stderr)
    }

    /// The number that the system knows it by.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The memory that it has in use, in KiB.
    ///
    /// # Panics
    /// When it has ended.
    #[must_use]
    pub fn resident_memory(&self) -> u64 {
        self.figure("status", "VmRSS:")
    }

    /// The most memory that it has had in use, in KiB.
    ///
    /// # Panics
    /// When it has ended.
    #[must_use]
    pub fn peak_memory(&self) -> u64 {
        self.figure("status", "VmHWM:")
    }

    /// How many files and sockets it may have open.
    ///
    /// # Panics
    /// When it has ended.
    #[must_use]
    pub fn most_descriptors(&self) -> u64 {
        self.figure("limits", "Max open files")
    }

    /// The first figure behind a name in a file of proc(5) about it.
    fn figure(&self, file: &str, name: &str) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).expect("a process");
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let figure = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        figure.unwrap_or_else(|| panic!("no {name} in {text}"))
    }

    /// How many files and sockets it has open.
    ///
    /// # Panics
    /// When it has ended.
    #[must_use]
    pub fn descriptors(&self) -> u64 {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).expect("a process").count() as u64
    }

    /// Waits for something that only happens while the child lives.
    ///
    /// # Panics
    /// When the child ends first, or after [`PATIENCE`].
    pub fn wait_for<T>(&mut self, what: impl Display, mut look: impl FnMut(&Self) -> Option<T>) -> T {
        let name = self.name.clone();
        wait_for(PATIENCE, format_args!("{name}: {what}"), || {
            let ended = self.child.try_wait().expect("the child is ours");
            // The last look comes after the end, so what it did just before is seen.
            let found = look(self);
            assert!(found.is_some() || ended.is_none(), "{name} ended ({ended:?}) before: {what}");
            found
        })
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// When the child has been waited for already.
    pub fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).expect("process ids are positive i32");
        kill(Pid::from_raw(id), signal).unwrap_or_else(|error| panic!("can't signal {}: {error}", self.name));
    }

    /// Sends SIGSTOP, and waits until it runs no more, which it does again at SIGCONT.
    ///
    /// # Panics
    /// When it has ended.
    pub fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
        let file = format!("/proc/{}/task", self.child.id());
        wait_for(PATIENCE, format_args!("{} to stop", self.name), || {
            let tasks = std::fs::read_dir(&file).expect("a process");
            let stat = |task: std::io::Result<std::fs::DirEntry>| {
                std::fs::read_to_string(task.ok()?.path().join("stat")).ok()
            };
            // The state stands behind the name, which is in brackets (proc(5)).
            let is_stopped =
                |stat: String| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'));
            tasks.filter_map(stat).all(is_stopped).then_some(())
        });
    }

    /// How many reloads it has said to be done with, well or not.
    #[must_use]
    pub fn reloads(&self) -> usize {
        let log = self.stdout();
        log.lines().filter(|line| line.contains("reloaded old=") || line.contains("nothing changes")).count()
    }

    /// SIGHUP; waits until it says how that went, and returns what it has written since.
    pub fn reload(&mut self) -> String {
        let (before, log) = (self.reloads(), self.stdout().len());
        self.signal(Signal::SIGHUP);
        self.wait_for("a reload", |process| (process.reloads() > before).then_some(()));
        self.stdout().split_off(log)
    }

    /// Whether it has ended.
    ///
    /// # Panics
    /// When the system doesn't say.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("the child is ours").is_some()
    }

    /// Waits until it has ended by itself.
    ///
    /// # Panics
    /// When it is still there after `deadline`.
    pub fn ended(&mut self, deadline: Duration) -> ExitStatus {
        let what = format!("the end of {}", self.name);
        wait_for(deadline, what, || self.child.try_wait().expect("the child is ours"))
    }

    /// SIGTERM, and then the exit status.
    ///
    /// # Panics
    /// When it is still there after [`PATIENCE`].
    pub fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        self.ended(PATIENCE)
    }
}

impl Drop for Process {
    #[expect(clippy::print_stderr, reason = "the test framework shows it beside the reason of the failure")]
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("---- {} wrote:\n{}{}", self.name, self.stdout(), self.stderr());
        }
    }
}

fn lossy(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}
