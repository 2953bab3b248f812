//! A daemon under attack, with everybody who watches: the service manager, an honest client, an honest agent.

use std::fs::File;
use std::io::{ErrorKind, PipeReader, Write};
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::honest::{Agent, Client, Values, Visits};
use super::manager::Manager;
use crate::child::Child;
use crate::error::{Doing, Error};
use crate::http;
use crate::procfs;
use crate::subject::{Place, healthy_api, listening, loopback};

/// How long what was sent may be on its way.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is attacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Daemon {
    Coco,
    Noodle,
}

/// What was seen during an attack.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) size: String,
    pub(crate) peak_memory_kib: u64,
    pub(crate) gap: Option<Duration>,
    pub(crate) visits: Visits,
    pub(crate) values: Option<Values>,
    /// Datagrams that the kernel dropped because Coco took them in too slowly.
    pub(crate) dropped: u64,
    /// How long the stop took, and how it ended; none if it had to be killed.
    pub(crate) stop: Duration,
    pub(crate) status: Option<ExitStatus>,
    /// Cores that others kept busy meanwhile.
    pub(crate) foreign_cores: f64,
    pub(crate) notes: Vec<String>,
}

/// Where the output of a daemon goes.
pub(crate) enum Output {
    File,
    /// Into a pipe that is full and has no reader, though it is open.
    FullPipe,
}

/// A daemon at work.
pub(crate) struct Stage {
    pub(crate) child: Child,
    pub(crate) api: SocketAddr,
    /// Where Coco takes datagrams in.
    pub(crate) listen: Option<SocketAddr>,
    /// The file that is read at a reload.
    pub(crate) config: PathBuf,
    pub(crate) notes: Vec<String>,
    manager: Manager,
    client: Client,
    agent: Option<Agent>,
    dropped_before: u64,
    pipe: Option<PipeReader>,
    log: PathBuf,
    start: Instant,
    machine: Duration,
    own: Duration,
}

/// The text of a `coco.conf`: one tier of the honest target alone, one of targets that take everything.
pub(crate) fn coco_config(honest: SocketAddr, targets: &[SocketAddr], more: &str) -> String {
    let targets: Vec<String> = targets.iter().map(ToString::to_string).collect();
    format!(
        "[listen]\nbind = \"127.0.0.1:0\"\n[api]\nbind = \"127.0.0.1:0\"\n\
         [tiers.honest]\ntargets = [\"{honest}\"]\n[tiers.strange]\ntargets = {targets:?}\n{more}"
    )
}

/// The text of a Noodle's configuration: one tier of these nodes.
pub(crate) fn noodle_config(nodes: &[SocketAddr]) -> String {
    let targets = nodes.iter().map(|node| format!("{{ address = \"{node}\", fetch = \"http://{node}\" }}"));
    let targets: Vec<String> = targets.collect();
    format!("[tiers.nodes]\ntargets = [{}]\n[fetch]\nbind = \"127.0.0.1:0\"\n", targets.join(", "))
}

/// Sockets of targets that nobody reads: what does not fit into them the kernel throws away.
pub(crate) fn unread_targets(count: usize) -> Result<(Vec<UdpSocket>, Vec<SocketAddr>), Error> {
    let sockets: Result<Vec<_>, _> = (0..count).map(|_| UdpSocket::bind("127.0.0.1:0")).collect();
    let sockets = sockets.doing(|| format!("receive on {count} ports"))?;
    let addresses: Result<_, _> = sockets.iter().map(UdpSocket::local_addr).collect();
    Ok((sockets, addresses.doing(|| "read back a port".to_owned())?))
}

impl Stage {
    /// Starts Coco, to the honest target and to others. What it writes goes into a file.
    pub(crate) fn coco(place: &Place, targets: &[SocketAddr], more: &str) -> Result<Self, Error> {
        let agent = Agent::new()?;
        let config = coco_config(agent.target(), targets, more);
        Self::start(place, Daemon::Coco, &config, Some(agent), "/debug/vars", &Output::File)
    }

    /// Starts a daemon, and the agent if there is one.
    pub(crate) fn start(
        place: &Place,
        daemon: Daemon,
        text: &str,
        agent: Option<Agent>,
        view: &str,
        output: &Output,
    ) -> Result<Self, Error> {
        let mut stage = Self::start_silent(place, daemon, text, agent, view, output)?;
        stage.let_agent_send()?;
        Ok(stage)
    }

    /// Starts a daemon. The agent sends nothing yet.
    pub(crate) fn start_silent(
        place: &Place,
        daemon: Daemon,
        text: &str,
        agent: Option<Agent>,
        view: &str,
        output: &Output,
    ) -> Result<Self, Error> {
        let (name, program) = match daemon {
            Daemon::Coco => ("coco", &place.coco),
            Daemon::Noodle => ("noodle", &place.noodle),
        };
        let config = place.folder.join("hostile.conf");
        // A FIFO may have been left there.
        let _ = std::fs::remove_file(&config);
        std::fs::write(&config, text).doing(|| format!("write {}", config.display()))?;
        let manager = Manager::start(&place.folder)?;
        let log = place.folder.join("output");
        let (pipe, ends) = match output {
            Output::File => (None, None),
            Output::FullPipe => full_pipe().doing(|| "make a pipe".to_owned())?,
        };
        let environment = manager.environment();
        let mut child = Child::spawn_within(&[], name, program, [&config], &environment, ends, log.clone())?;
        let api = child.wait_for(healthy_api)?;
        let mut listen = None;
        if agent.is_some() {
            let own = |child: &Child| Ok(listening(child)?.first().map(|socket| loopback(socket.port)));
            listen = Some(child.wait_for(own)?);
        }
        let client = Client::start(api, view);
        let (machine, own) = (procfs::machine_cpu_time()?, own_cpu_time(&child)?);
        let (start, notes) = (Instant::now(), Vec::new());
        let dropped_before = 0;
        Ok(Self {
            child,
            api,
            listen,
            config,
            notes,
            manager,
            client,
            agent,
            dropped_before,
            pipe,
            log,
            start,
            machine,
            own,
        })
    }

    /// Has the agent send from now on. What the kernel has dropped before is not held against the daemon.
    pub(crate) fn let_agent_send(&mut self) -> Result<(), Error> {
        self.dropped_before = self.dropped()?;
        match (&mut self.agent, self.listen) {
            (Some(agent), Some(listen)) => agent.send_to(listen),
            _ => Ok(()),
        }
    }

    /// Datagrams that the kernel dropped because Coco took them in too slowly.
    fn dropped(&self) -> Result<u64, Error> {
        Ok(listening(&self.child)?.iter().map(|socket| socket.drops).sum())
    }

    /// Waits until nothing waits in Coco or in front of it.
    pub(crate) fn wait_until_idle(&self) -> Result<(), Error> {
        let start = Instant::now();
        loop {
            let vars = http::get_json(self.api, "/debug/vars")?;
            let coco = &vars["coco"];
            let waiting = [
                &coco["listen"]["receive_buffer_used_bytes"],
                &coco["queues"]["raw"],
                &coco["queues"]["filtered"],
            ];
            if waiting.iter().all(|count| count.as_u64() == Some(0)) {
                return Ok(());
            }
            if start.elapsed() > PATIENCE {
                return Err(Error::Meaningless(format!("Coco is not idle after {} s", PATIENCE.as_secs())));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Where Coco listens.
    pub(crate) fn listen(&self) -> Result<SocketAddr, Error> {
        self.listen.ok_or_else(|| Error::Meaningless("only Coco takes datagrams".to_owned()))
    }

    /// Asks for a reload.
    pub(crate) fn reload(&self) -> Result<(), Error> {
        kill(self.child.pid(), Signal::SIGHUP).doing(|| "ask for a reload".to_owned())
    }

    /// Puts this in the place of the configuration, at once.
    pub(crate) fn write_config(&self, text: &str) -> Result<(), Error> {
        let new = self.config.with_extension("new");
        let write = || std::fs::write(&new, text).and_then(|()| std::fs::rename(&new, &self.config));
        write().doing(|| format!("write {}", self.config.display()))
    }

    /// Ends the watch, and the daemon while the attack may still go on.
    pub(crate) fn finish(mut self, size: String) -> Result<Finding, Error> {
        self.child.alive()?;
        let values = self.agent.take().map(Agent::finish).transpose()?;
        let dropped = self.dropped()? - self.dropped_before;
        let visits = self.client.finish();
        let gap = self.manager.longest_gap();
        let peak_memory_kib = procfs::peak_memory(self.child.pid())?;
        let busy = procfs::machine_cpu_time()?.saturating_sub(self.machine);
        let own = own_cpu_time(&self.child)?.saturating_sub(self.own);
        let foreign_cores = busy.saturating_sub(own).as_secs_f64() / self.start.elapsed().as_secs_f64();
        let start = Instant::now();
        let status = self.child.stop()?;
        let stop = start.elapsed();
        drop(self.pipe);
        let mut notes = self.notes;
        if let Some(status) = status.filter(|status| !status.success()) {
            let log = std::fs::read(&self.log).unwrap_or_default();
            let log = String::from_utf8_lossy(&log);
            notes.push(format!("{status}: {:?}", log.lines().last().unwrap_or_default()));
        }
        Ok(Finding {
            size,
            peak_memory_kib,
            gap,
            visits,
            values,
            dropped,
            stop,
            status,
            foreign_cores,
            notes,
        })
    }
}

/// What the daemon and this program have used.
fn own_cpu_time(child: &Child) -> Result<Duration, Error> {
    Ok(child.cpu_time()? + procfs::cpu_time(Pid::this())?)
}

type Ends = (Option<PipeReader>, Option<[Stdio; 2]>);

/// The reading end, which is to be kept, and standard output and standard error.
fn full_pipe() -> std::io::Result<Ends> {
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::OpenOptionsExt;
    let (reader, writer) = std::io::pipe()?;
    // Opened anew: the daemon's end must not become non-blocking.
    let path = format!("/proc/self/fd/{}", writer.as_raw_fd());
    let mut end = File::options().write(true).custom_flags(nix::libc::O_NONBLOCK).open(path)?;
    loop {
        match end.write(b"\n") {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok((Some(reader), Some([writer.try_clone()?.into(), writer.into()])))
}
