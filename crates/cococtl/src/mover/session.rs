//! `cococtl node` on a storage node, started there by ssh and talked to by its input and output.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use coco_core::address::Address;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::way::Node;
use crate::failure::Failure;
use crate::node::protocol::{self, Answer, Ask, PROTOCOL};
use crate::node::writer::Writer;

/// How often the end of a process is looked for, and how long it may take.
const LOOKS: u32 = 100;
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// How long a login and the first answer may take. ssh gives up earlier where nobody answers; whatever `--ssh` names does
/// so at the latest then.
pub(super) const GREETING: Duration = Duration::from_secs(60);

/// How nodes are reached.
#[derive(Clone, Debug)]
pub(super) struct Launcher {
    /// The program that runs a command elsewhere, and its arguments.
    pub(super) ssh: Vec<String>,
    /// What cococtl is called there.
    pub(super) command: String,
    /// Where RRD files are there.
    pub(super) data: PathBuf,
    /// Who writes them.
    pub(super) writer: Writer,
    /// How long a login and the first answer may take.
    pub(super) patience: Duration,
    /// Whom to log in to, where it is not the host of the target's address.
    pub(super) destinations: BTreeMap<Node, String>,
}

/// A running `cococtl node serve`. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Session {
    node: Node,
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Launcher {
    /// Whom to log in to for a node.
    pub(super) fn destination(&self, node: &str) -> Result<String, Failure> {
        if let Some(destination) = self.destinations.get(node) {
            return Ok(destination.clone());
        }
        let address: Result<Address, _> = node.parse();
        let address = address.map_err(|problem| failed(node, format!("{problem}")))?;
        match address.host() {
            // ssh would take it for an option.
            host if host.is_empty() || host.starts_with('-') => {
                Err(failed(node, "it has no host to log in to"))
            }
            host => Ok(host.to_owned()),
        }
    }

    /// Starts cococtl there, and sees that it is the same as here.
    pub(super) fn open(&self, node: &str) -> Result<Session, Failure> {
        let destination = self.destination(node)?;
        let words = [
            self.command.clone(),
            "node".to_owned(),
            "--data".to_owned(),
            quoted(&self.data.display().to_string()),
            "--writer".to_owned(),
            quoted(&self.writer.to_string()),
            "serve".to_owned(),
        ];
        let [program, arguments @ ..] = &self.ssh[..] else { return Err(failed(node, "there is no ssh")) };
        let mut command = Command::new(program);
        command.args(arguments).arg(destination).arg(words.join(" "));
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = spawned.map_err(|problem| failed(node, format!("{program}: {problem}")))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(failed(node, "a process has no input or output"));
        };
        let (node, output) = (node.to_owned(), BufReader::new(output));
        let mut session = Session { node, child, input: Some(input), output };
        session.greet(self.patience)?;
        Ok(session)
    }
}

impl Session {
    /// Sees that it is the same as here. Whoever says nothing for so long is ended: others wait for their login behind it.
    fn greet(&mut self, patience: Duration) -> Result<(), Failure> {
        let hello = self.send(&Ask::Hello, &[]).and_then(|()| is_readable(self.output.get_ref(), patience));
        match hello {
            Ok(true) => {}
            Ok(false) => {
                let _ = self.child.kill();
                return Err(failed(&self.node, format!("no login within {} s", patience.as_secs_f64())));
            }
            Err(problem) => return Err(self.told(&problem)),
        }
        let answer = self.receive().map_err(|problem| self.told(&problem))?.0;
        self.hello(answer).map(drop)
    }

    /// Bytes that are free there, and all; asked of who has to be the same as here.
    pub(super) fn room(&mut self) -> Result<(u64, u64), Failure> {
        let answer = self.ask(&Ask::Hello, &[])?.0;
        self.hello(answer)
    }

    fn hello(&self, answer: Answer) -> Result<(u64, u64), Failure> {
        match answer {
            Answer::Hello { protocol: PROTOCOL, available, total, .. } => Ok((available, total)),
            Answer::Hello { version, protocol, .. } => {
                let own = env!("CARGO_PKG_VERSION");
                let told = format!(
                    "its cococtl is {version} and speaks version {protocol}, this one is {own} and speaks {PROTOCOL}: install \
                     the same on both"
                );
                Err(failed(&self.node, told))
            }
            Answer::Problem { reason } => Err(failed(&self.node, reason)),
            other => Err(failed(&self.node, format!("it says {other:?} for a greeting"))),
        }
    }

    /// Asks something, with the bytes that belong to it, and waits for the answer.
    pub(super) fn ask(&mut self, ask: &Ask, bytes: &[u8]) -> Result<(Answer, Vec<u8>), Failure> {
        let said = self.send(ask, bytes).and_then(|()| self.receive());
        said.map_err(|problem| self.told(&problem))
    }

    fn told(&mut self, problem: &io::Error) -> Failure {
        let told = match problem.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe => self.end_told(),
            _ => problem.to_string(),
        };
        failed(&self.node, told)
    }

    fn send(&mut self, ask: &Ask, bytes: &[u8]) -> io::Result<()> {
        let input = self.input.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        protocol::write(input, ask, bytes)?;
        input.flush()
    }

    fn receive(&mut self) -> io::Result<(Answer, Vec<u8>)> {
        protocol::read(&mut self.output)?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// Why there is nobody any more, as far as it can be known. What it had to say itself went to standard error.
    fn end_told(&mut self) -> String {
        self.input = None;
        match ended(&mut self.child) {
            Some(127) => "there is no cococtl: install it on the node".to_owned(),
            Some(255) => "ssh does not get there".to_owned(),
            Some(status) => format!("cococtl node ended with status {status}"),
            None => "cococtl node ended".to_owned(),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.input = None;
        let _ = ended(&mut self.child);
    }
}

/// Waits for the end of a process, and ends it if that takes long. Returns its status, if it has one.
fn ended(child: &mut Child) -> Option<i32> {
    for _ in 0..LOOKS {
        match child.try_wait() {
            Ok(Some(status)) => return status.code(),
            Ok(None) => thread::sleep(BETWEEN_LOOKS),
            Err(_) => break,
        }
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}

/// Whether there is something to read, or an end, before so much time has passed.
fn is_readable(output: &ChildStdout, patience: Duration) -> io::Result<bool> {
    let start = Instant::now();
    loop {
        let left =
            PollTimeout::try_from(patience.saturating_sub(start.elapsed())).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(output.as_fd(), PollFlags::POLLIN)], left) {
            Ok(ready) => return Ok(ready > 0),
            Err(Errno::EINTR) => {}
            Err(problem) => return Err(problem.into()),
        }
    }
}

pub(super) fn failed(node: &str, reason: impl Into<String>) -> Failure {
    Failure::Node { node: node.to_owned(), reason: reason.into() }
}

/// A word for the shell of the node.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launcher(script: &str) -> Launcher {
        Launcher {
            ssh: ["sh", "-c", script].map(str::to_owned).to_vec(),
            command: "cococtl".to_owned(),
            data: "/".into(),
            writer: Writer::None,
            patience: Duration::from_millis(50),
            destinations: BTreeMap::new(),
        }
    }

    #[test]
    fn who_says_nothing_is_ended() {
        // What it started is not ended by that, and keeps its output open.
        for silent in ["exec sleep 1000", "sleep 3 & wait"] {
            let told = launcher(silent).open("s1:1").unwrap_err().to_string();
            assert!(told.contains("no login within 0.05 s"), "{told}");
        }
    }

    #[test]
    fn who_ends_or_says_something_else_is_told() {
        let mut launcher = launcher("exit 255");
        launcher.patience = GREETING;
        let told = |launcher: &Launcher| launcher.open("s1:1").unwrap_err().to_string();
        assert!(told(&launcher).contains("ssh does not get there"));
        launcher.ssh[2] = "read -r hello; echo '{\"answer\":\"absent\"}'".to_owned();
        assert!(told(&launcher).contains("Absent for a greeting"), "{}", told(&launcher));
    }
}
