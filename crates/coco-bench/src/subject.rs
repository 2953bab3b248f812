//! What is measured: the relay, or Coco in some configuration.

use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::child::Child;
use crate::corpus::{BLACKLIST, Content};
use crate::cpus::{Cpus, Kept};
use crate::error::{Doing, Error};
use crate::http;
use crate::procfs;
use crate::socket::RECEIVE_BUFFER;

/// Tiers of every configuration.
pub(crate) const TIERS: usize = 2;

/// Who takes the datagrams in and passes them on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    /// The floor: one target a tier, nothing read.
    Relay,
    /// Coco with the sample blacklist.
    Coco(Configuration),
}

/// What differs from one configuration to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Configuration {
    pub(crate) targets_per_tier: usize,
    pub(crate) max_packet_size: usize,
    /// `send.linger` in milliseconds; left out of the file if none, which builds without that key take, too.
    pub(crate) linger: u64,
    pub(crate) lanes: usize,
    /// Of each lane.
    pub(crate) threads: usize,
    /// Whether hosts are spread over the lanes, which takes two threads a lane at least.
    pub(crate) spread_hosts: bool,
    /// `state.max_memory` in bytes; the default if none.
    pub(crate) max_memory: Option<usize>,
    /// `listen.receive_buffer` in bytes; the default if none.
    pub(crate) receive_buffer: Option<usize>,
    pub(crate) placing: Placing,
}

/// How hosts lie; with each of them a value list leaves as often, and each target gets as many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placing {
    /// On a ring in each tier.
    Ring,
    /// By rendezvous of names that are the same in all tiers, so that these part the hosts alike.
    Rendezvous,
    /// By rendezvous of other names in each tier, so that each parts the hosts in its own way.
    Apart,
    /// By rendezvous, all targets in one tier with as many copies as there are tiers else.
    Copies,
}

/// Two tiers of two targets, everything else as it comes.
pub(crate) const COCO: Configuration = Configuration {
    targets_per_tier: 2,
    max_packet_size: 1452,
    linger: 0,
    lanes: 1,
    threads: 1,
    spread_hosts: false,
    max_memory: None,
    receive_buffer: Some(RECEIVE_BUFFER),
    placing: Placing::Ring,
};

impl Subject {
    /// How many ports its sink has.
    pub(crate) fn targets(self) -> usize {
        match self {
            Self::Relay => TIERS,
            Self::Coco(configuration) => TIERS * configuration.targets_per_tier,
        }
    }

    /// How many threads work at a time.
    pub(crate) fn threads(self) -> usize {
        match self {
            Self::Relay => 1,
            Self::Coco(configuration) => configuration.lanes * configuration.threads,
        }
    }

    /// How many value lists it should deliver.
    pub(crate) fn delivers(self, content: Content) -> u64 {
        TIERS as u64
            * match self {
                Self::Relay => content.value_lists,
                Self::Coco(_) => content.accepted,
            }
    }

    /// What tables and errors call it.
    pub(crate) fn name(self) -> String {
        let Self::Coco(configuration) = self else { return "relay".to_owned() };
        let mut name = "coco".to_owned();
        let mut add = |differs, what: String| {
            if differs {
                name.push_str(&what);
            }
        };
        let Configuration {
            targets_per_tier, max_packet_size, lanes, threads, spread_hosts, max_memory, ..
        } = configuration;
        let Configuration { linger, receive_buffer, placing, .. } = configuration;
        add(targets_per_tier != COCO.targets_per_tier, format!(", {targets_per_tier} targets per tier"));
        add(max_packet_size != COCO.max_packet_size, format!(", packets of {max_packet_size}"));
        add(linger != COCO.linger, format!(", linger of {linger} ms"));
        add(lanes != COCO.lanes, format!(", {lanes} lanes"));
        add(threads != COCO.threads, format!(", {threads} threads"));
        add(spread_hosts, ", hosts spread".to_owned());
        add(max_memory.is_some(), format!(", state of {} MiB", max_memory.unwrap_or_default() >> 20));
        add(receive_buffer != COCO.receive_buffer, ", its own receive buffer".to_owned());
        let placing = match placing {
            Placing::Ring => "",
            Placing::Rendezvous => ", rendezvous",
            Placing::Apart => ", rendezvous apart",
            Placing::Copies => ", copies",
        };
        name.push_str(placing);
        name
    }
}

impl Configuration {
    /// The text of `coco.conf`.
    pub(crate) fn text(&self, targets: &[SocketAddr]) -> String {
        let mut text = format!(
            "[listen]\nbind = \"127.0.0.1:0\"\n{}\
             [pipeline]\nlanes = {}\nspread_hosts = {}\nthreads = {}\n[filter]\nblacklist = {BLACKLIST:?}\n\
             [send]\nmax_packet_size = {}\n{}[api]\nbind = \"127.0.0.1:0\"\n",
            self.receive_buffer.map(|bytes| format!("receive_buffer = {bytes}\n")).unwrap_or_default(),
            self.lanes,
            self.spread_hosts,
            self.threads,
            self.max_packet_size,
            if self.linger > 0 { format!("linger = \"{}ms\"\n", self.linger) } else { String::new() }
        );
        let mut add = |arguments: std::fmt::Arguments<'_>| {
            text.write_fmt(arguments).expect("a string takes anything");
        };
        if let Some(bytes) = self.max_memory {
            add(format_args!("[state]\nmax_memory = {bytes}\n"));
        }
        let of_tier = match self.placing {
            Placing::Copies => targets.len(),
            Placing::Ring | Placing::Rendezvous | Placing::Apart => self.targets_per_tier,
        };
        for (tier, targets) in targets.chunks(of_tier).enumerate() {
            let target = |(number, address): (usize, &SocketAddr)| match self.placing {
                Placing::Ring => format!("{:?}", address.to_string()),
                Placing::Apart => format!("{{ name = \"t{tier}s{number}\", address = \"{address}\" }}"),
                Placing::Rendezvous | Placing::Copies => {
                    format!("{{ name = \"s{number}\", address = \"{address}\" }}")
                }
            };
            let targets: Vec<String> = targets.iter().enumerate().map(target).collect();
            add(format_args!("[tiers.tier{tier}]\ntargets = [{}]\n", targets.join(", ")));
            if self.placing != Placing::Ring {
                add(format_args!("hash = \"rendezvous\"\n"));
            }
            if self.placing == Placing::Copies {
                add(format_args!("replicas = {TIERS}\n"));
            }
        }
        text
    }
}

/// Where programs and files of this benchmark are.
pub(crate) struct Place {
    /// The release build of Coco.
    pub(crate) coco: PathBuf,
    /// The release build of Noodle.
    pub(crate) noodle: PathBuf,
    /// Which CPUs are whose.
    pub(crate) cpus: Cpus,
    /// A folder for files that are removed at the end.
    pub(crate) folder: PathBuf,
}

impl Place {
    /// Makes the folder. Everyone runs where the scheduler likes.
    pub(crate) fn new(coco: PathBuf, noodle: PathBuf) -> Result<Self, Error> {
        let folder = std::env::temp_dir().join(format!("coco-bench-{}", std::process::id()));
        std::fs::create_dir_all(&folder).doing(|| format!("make {}", folder.display()))?;
        Ok(Self { coco, noodle, cpus: Cpus::default(), folder })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What is left in the folder for temporary files does no harm.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A subject at work.
pub(crate) struct Running {
    pub(crate) child: Child,
    /// Where it takes datagrams in.
    pub(crate) listen: SocketAddr,
    /// Coco's API.
    pub(crate) api: Option<SocketAddr>,
}

impl Running {
    /// Starts a subject on CPUs that are kept for it and waits until it is ready.
    pub(crate) fn start(
        place: &Place,
        subject: Subject,
        targets: &[SocketAddr],
        cpus: &Kept,
    ) -> Result<Self, Error> {
        Self::start_under(place, subject, targets, cpus, &[])
    }

    /// Starts a subject under a program that runs programs, such as valgrind.
    pub(crate) fn start_under(
        place: &Place,
        subject: Subject,
        targets: &[SocketAddr],
        cpus: &Kept,
        wrapper: &[String],
    ) -> Result<Self, Error> {
        let own = std::env::current_exe().doing(|| "find this program".to_owned())?;
        let (program, arguments) = match subject {
            Subject::Relay => {
                let mut arguments = vec!["relay".to_owned(), "0".to_owned()];
                arguments.extend(targets.iter().map(ToString::to_string));
                (own.as_path(), arguments)
            }
            Subject::Coco(configuration) => {
                let path = place.folder.join("coco.conf");
                std::fs::write(&path, configuration.text(targets))
                    .doing(|| format!("write {}", path.display()))?;
                (place.coco.as_path(), vec![path.display().to_string()])
            }
        };
        let mut command: Vec<String> = wrapper.to_vec();
        command.push(program.display().to_string());
        command.extend(arguments);
        let (program, arguments) = command.split_first().expect("the program has just been pushed");
        let output = place.folder.join("output");
        let mut child =
            Child::spawn_on(cpus.subject(), &subject.name(), Path::new(program), arguments, output)?;
        let api = match subject {
            Subject::Relay => None,
            Subject::Coco(_) => Some(child.wait_for(healthy_api)?),
        };
        let listen =
            child.wait_for(|child| Ok(listening(child)?.first().map(|socket| loopback(socket.port))))?;
        Ok(Self { child, listen, api })
    }

    /// Datagrams that the kernel dropped because it was too slow to take them in.
    pub(crate) fn drops(&self) -> Result<u64, Error> {
        Ok(listening(&self.child)?.iter().map(|socket| socket.drops).sum())
    }
}

/// The sockets on which a process takes datagrams in.
pub(crate) fn listening(child: &Child) -> Result<Vec<procfs::UdpSocket>, Error> {
    let own = procfs::socket_inodes(child.pid())?;
    let sockets = procfs::udp_sockets()?;
    Ok(sockets.into_iter().filter(|socket| !socket.connected && own.contains(&socket.inode)).collect())
}

/// The HTTP port of one of our daemons, once it is well.
pub(crate) fn healthy_api(child: &Child) -> Result<Option<SocketAddr>, Error> {
    let own = procfs::socket_inodes(child.pid())?;
    let listeners = procfs::tcp_listeners()?;
    let api = listeners.iter().find(|(_, inode)| own.contains(inode)).map(|&(port, _)| loopback(port));
    // Refused or unhealthy is not ready yet.
    Ok(api.filter(|&api| http::get(api, "/healthz").is_ok()))
}

pub(crate) fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use coco_core::config::CocoConfig;

    #[test]
    fn every_configuration_is_one_that_coco_accepts() {
        let many = Configuration {
            targets_per_tier: 3,
            max_packet_size: 8952,
            linger: 10,
            lanes: 2,
            threads: 2,
            spread_hosts: true,
            max_memory: Some(64 << 20),
            receive_buffer: None,
            placing: Placing::Rendezvous,
        };
        let [apart, copies] =
            [Placing::Apart, Placing::Copies].map(|placing| Configuration { placing, ..COCO });
        for configuration in [COCO, many, apart, copies] {
            let targets: Vec<SocketAddr> =
                (1..=Subject::Coco(configuration).targets()).map(|n| loopback(n as u16)).collect();
            let config = CocoConfig::parse(&configuration.text(&targets)).unwrap();
            let copies = config.tiers.iter().map(|tier| tier.placement().facts().replicas).sum::<usize>();
            assert_eq!(copies, TIERS);
            let [first, last] =
                [0, config.tiers.len() - 1].map(|tier| config.tiers.get(tier).unwrap().placement());
            assert_eq!(first == last, configuration.placing != Placing::Apart);
            assert_eq!(config.send.max_packet_size, configuration.max_packet_size);
            assert_eq!(config.send.linger.as_millis(), u128::from(configuration.linger));
            assert_eq!(config.pipeline.lanes.get(), configuration.lanes);
            assert_eq!(config.pipeline.threads as usize, configuration.threads);
            assert_eq!(config.pipeline.spread_hosts, configuration.spread_hosts);
            assert_eq!(config.filter.blacklist.unwrap().as_str(), BLACKLIST);
            let default =
                CocoConfig::parse(&Configuration { receive_buffer: None, ..COCO }.text(&targets)).unwrap();
            let buffer = configuration.receive_buffer.unwrap_or(default.listen.receive_buffer);
            assert_eq!(config.listen.receive_buffer, buffer);
        }
    }

    #[test]
    fn a_name_says_what_is_out_of_the_ordinary() {
        assert_eq!(Subject::Relay.name(), "relay");
        assert_eq!(Subject::Coco(COCO).name(), "coco");
        let jumbo = Configuration { max_packet_size: 8952, ..COCO };
        assert_eq!(Subject::Coco(jumbo).name(), "coco, packets of 8952");
    }
}
