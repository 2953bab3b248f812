//! What stands in for ssh: each session goes by this process, which knows what is asked of nodes, and can have the mover
//! killed at any step of it.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use coco_harness::directory::Directory;
use coco_harness::program::Program;
use cococtl::node::protocol::{self, Answer, Ask};

/// When the mover dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// The node was not asked yet.
    Before,
    /// The node is at it, and dies too.
    Amid,
    /// The node has done it, and the mover does not know.
    After,
}

/// A step at which the mover is killed: the word of what is asked, and how often it is asked before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    pub(crate) ask: &'static str,
    pub(crate) when: When,
    pub(crate) before: u32,
}

#[derive(Default)]
struct State {
    /// Data directories and writers, by names of nodes that are there.
    nodes: HashMap<String, (PathBuf, String)>,
    cut: Option<(Cut, Sender<()>)>,
}

/// Sessions with nodes.
pub(crate) struct Transport {
    state: Arc<Mutex<State>>,
    directory: Directory,
    address: SocketAddr,
}

impl Transport {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        let directory = Directory::new("transport");
        // What a session says and hears goes over a connection of its own, whose first line is the node.
        let script = format!(
            "#!/bin/bash\n{{ exec 3<>/dev/tcp/{}/{}; }} 2>/dev/null || exit 255\necho \"$1\" >&3\ncat <&0 >&3 & up=$!\n\
             cat <&3 & down=$!\nexec 0<&- 1>&-\nwait -n\nkill $up $down 2>/dev/null\nexit 255\n",
            address.ip(),
            address.port()
        );
        let path = directory.write("ssh", &script);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("our own file");
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let (Ok(connection), 2..) = (connection, Arc::strong_count(&shared)) else { break };
                let state = Arc::clone(&shared);
                std::thread::spawn(move || converse(&connection, &state));
            }
        });
        Self { state, directory, address }
    }

    /// What is given to `--ssh`.
    pub(crate) fn command(&self) -> PathBuf {
        self.directory.path().join("ssh")
    }

    /// A node is there from now on.
    pub(crate) fn add(&self, node: &str, data: &Path, writer: String) {
        self.state.lock().expect("no panic").nodes.insert(node.to_owned(), (data.to_owned(), writer));
    }

    /// A node is not.
    pub(crate) fn remove(&self, node: &str) {
        self.state.lock().expect("no panic").nodes.remove(node);
    }

    /// Says when a step comes, at which all stands still until the mover is dead.
    pub(crate) fn cut(&self, cut: Cut) -> Receiver<()> {
        let (due, is_due) = channel();
        self.state.lock().expect("no panic").cut = Some((cut, due));
        is_due
    }

    /// Lets all steps go.
    pub(crate) fn mend(&self) {
        self.state.lock().expect("no panic").cut = None;
    }
}

impl Drop for Transport {
    fn drop(&mut self) {
        self.state = Arc::default();
        // Nobody is behind it any more, so that the listener ends.
        let _ = TcpStream::connect(self.address);
    }
}

fn converse(connection: &TcpStream, state: &Mutex<State>) {
    let mut from_mover = BufReader::new(connection);
    let mut name = String::new();
    if from_mover.read_line(&mut name).is_err() {
        return;
    }
    let node = state.lock().expect("no panic").nodes.get(name.trim_end()).cloned();
    let Some((data, writer)) = node else { return };
    let mut command = Command::new(Program::Cococtl.path());
    command.args(["node", "--writer", &writer, "--data"]).arg(data).arg("serve");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("cococtl was built");
    // Whoever is gone has closed the connection, and there is nobody to tell.
    let _ = pass_on(&mut from_mover, connection, &mut child, state);
    let _ = child.kill();
    let _ = child.wait();
}

fn pass_on(
    from_mover: &mut BufReader<&TcpStream>,
    mut to_mover: &TcpStream,
    child: &mut Child,
    state: &Mutex<State>,
) -> std::io::Result<()> {
    let mut to_node = child.stdin.take().expect("it is piped");
    let mut from_node = BufReader::new(child.stdout.take().expect("it is piped"));
    while let Some((ask, bytes)) = protocol::read::<Ask>(from_mover)? {
        let cut = due(&ask, state);
        let when = cut.as_ref().map(|(when, _)| *when);
        if when != Some(When::Before) {
            protocol::write(&mut to_node, &ask, &bytes)?;
        }
        let answer = match when {
            Some(When::Before | When::Amid) => None,
            _ => protocol::read::<Answer>(&mut from_node)?,
        };
        if let Some((when, due)) = cut {
            if when == When::Amid {
                child.kill()?;
            }
            let _ = due.send(());
            // Nothing comes but the end of who has asked.
            from_mover.read_to_end(&mut Vec::new())?;
            return Ok(());
        }
        let Some((answer, bytes)) = answer else { return Ok(()) };
        protocol::write(&mut to_mover, &answer, &bytes)?;
        to_mover.flush()?;
    }
    drop(to_node);
    // What a node whose input has ended does besides is to end.
    child.wait().map(drop)
}

fn due(ask: &Ask, state: &Mutex<State>) -> Option<(When, Sender<()>)> {
    let word = match ask {
        Ask::Hello => "hello",
        Ask::Hosts => "hosts",
        Ask::Survey { .. } => "survey",
        Ask::List { .. } => "list",
        Ask::Export { .. } => "export",
        Ask::Import { .. } => "import",
        Ask::Compare { .. } => "compare",
        Ask::Remove { .. } => "remove",
    };
    let mut state = state.lock().expect("no panic");
    let (cut, _) = state.cut.as_mut().filter(|(cut, _)| cut.ask == word)?;
    if cut.before > 0 {
        cut.before -= 1;
        return None;
    }
    state.cut.take().map(|(cut, due)| (cut.when, due))
}
