//! What the kernel knows of sockets, processes and the machine: proc(5).

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;
use serde::Serialize;

use crate::error::{Doing, Error};

/// A line of `/proc/net/udp` or `/proc/net/udp6`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UdpSocket {
    pub(crate) port: u16,
    /// Whether it talks to one peer only.
    pub(crate) connected: bool,
    pub(crate) inode: u64,
    /// Datagrams that found its buffer full.
    pub(crate) drops: u64,
}

/// All UDP sockets of the machine.
pub(crate) fn udp_sockets() -> Result<Vec<UdpSocket>, Error> {
    let text = read("/proc/net/udp")? + &read("/proc/net/udp6").unwrap_or_default();
    Ok(text.lines().filter_map(udp_socket).collect())
}

fn udp_socket(line: &str) -> Option<UdpSocket> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    Some(UdpSocket {
        port: port(fields.get(1)?)?,
        connected: port(fields.get(2)?)? != 0,
        inode: fields.get(9)?.parse().ok()?,
        drops: fields.get(12)?.parse().ok()?,
    })
}

/// Port and inode of all listening TCP sockets of the machine.
pub(crate) fn tcp_listeners() -> Result<Vec<(u16, u64)>, Error> {
    let text = read("/proc/net/tcp")? + &read("/proc/net/tcp6").unwrap_or_default();
    Ok(text.lines().filter_map(tcp_listener).collect())
}

fn tcp_listener(line: &str) -> Option<(u16, u64)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    // TCP_LISTEN, include/net/tcp_states.h.
    (*fields.get(3)? == "0A").then_some(())?;
    Some((port(fields.get(1)?)?, fields.get(9)?.parse().ok()?))
}

/// Of `0100007F:3DD2`.
fn port(address: &str) -> Option<u16> {
    u16::from_str_radix(address.rsplit_once(':')?.1, 16).ok()
}

/// Inodes of the sockets that a process holds.
pub(crate) fn socket_inodes(process: Pid) -> Result<HashSet<u64>, Error> {
    let folder = format!("/proc/{process}/fd");
    let entries = std::fs::read_dir(&folder).doing(|| format!("read {folder}"))?;
    // Descriptors come and go while they are listed.
    let links = entries.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    Ok(links.filter_map(|link| link.to_str().and_then(socket_inode)).collect())
}

fn socket_inode(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// The most memory that a process has held at once, in KiB.
pub(crate) fn peak_memory(process: Pid) -> Result<u64, Error> {
    status(process, "VmHWM:")
}

/// The memory that a process holds, in KiB.
pub(crate) fn memory(process: Pid) -> Result<u64, Error> {
    status(process, "VmRSS:")
}

/// How often a process had to wait for its turn or for something to do, all threads that it has now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Switches {
    /// It had nothing more to do.
    pub(crate) voluntary: u64,
    /// It had, but others were to run.
    pub(crate) involuntary: u64,
}

/// Context switches of a process. Those of threads that have ended are in nobody's books.
pub(crate) fn switches(process: Pid) -> Result<Switches, Error> {
    let folder = format!("/proc/{process}/task");
    let threads = std::fs::read_dir(&folder).doing(|| format!("read {folder}"))?;
    // Threads come and go while they are listed.
    let all = threads.filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("status")).ok());
    Ok(all.filter_map(|status| switches_of_thread(&status)).fold(Switches::default(), |sum, thread| {
        Switches {
            voluntary: sum.voluntary + thread.voluntary,
            involuntary: sum.involuntary + thread.involuntary,
        }
    }))
}

fn switches_of_thread(status: &str) -> Option<Switches> {
    let count = |key: &str| status.lines().find_map(|line| line.strip_prefix(key)?.trim().parse().ok());
    Some(Switches {
        voluntary: count("voluntary_ctxt_switches:")?,
        involuntary: count("nonvoluntary_ctxt_switches:")?,
    })
}

/// Lets this process, and those that it starts, open as many files as it may.
pub(crate) fn raise_descriptors() -> Result<(), Error> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).doing(|| "read a limit".to_owned())?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).doing(|| "raise the limit of descriptors".to_owned())
}

fn status(process: Pid, key: &str) -> Result<u64, Error> {
    let path = format!("/proc/{process}/status");
    let status = read(&path)?;
    let value =
        status.lines().find_map(|line| line.strip_prefix(key)?.split_whitespace().next()?.parse().ok());
    value.ok_or_else(|| Error::Answer { from: path, problem: format!("no {key}") })
}

/// How many descriptors a process has open.
pub(crate) fn descriptors(process: Pid) -> Result<usize, Error> {
    let folder = format!("/proc/{process}/fd");
    Ok(std::fs::read_dir(&folder).doing(|| format!("read {folder}"))?.count())
}

/// CPU time that all threads of a process have used, the ended ones too, in nanoseconds of the scheduler.
///
/// The kernel's ticks (`utime` and `stime` of `/proc/PID/stat`) are of 10 ms. Where they are sampled, their sum is
/// scaled to this clock, but what they say of user and system time at low load means nothing.
pub(crate) fn cpu_time(process: Pid) -> Result<Duration, Error> {
    let clock = ClockId::pid_cpu_clock_id(process);
    let time = clock.and_then(clock_gettime).doing(|| format!("read the CPU clock of process {process}"))?;
    Ok(time.into())
}

/// CPU time that the whole machine has spent, on us, on others and in its host's hands.
pub(crate) fn machine_cpu_time() -> Result<Duration, Error> {
    let text = read("/proc/stat")?;
    let ticks = text.lines().next().map_or(0, busy_ticks);
    // USER_HZ is 100 on every architecture that Linux still has.
    Ok(Duration::from_millis(ticks * 10))
}

/// User, nice, system, irq, softirq and steal; not idle, iowait and guest (counted in user already).
fn busy_ticks(line: &str) -> u64 {
    let ticks: Vec<u64> = line.split_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect();
    [0, 1, 2, 5, 6, 7].into_iter().filter_map(|field| ticks.get(field)).sum()
}

/// Where the figures were measured. Absolute ones mean nothing elsewhere.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) memory_mib: u64,
    pub(crate) kernel: String,
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { processor, cores, memory_mib, kernel } = self;
        write!(f, "{processor}, {cores} cores, {memory_mib} MiB, Linux {kernel}")
    }
}

impl Machine {
    /// This one.
    pub(crate) fn this() -> Result<Self, Error> {
        let value = |text: &str, key: &str| {
            let line = text.lines().find(|line| line.starts_with(key))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let memory = value(&read("/proc/meminfo")?, "MemTotal").unwrap_or_default();
        let kib: u64 = memory.split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or_default();
        Ok(Self {
            processor: value(&read("/proc/cpuinfo")?, "model name").unwrap_or_else(|| "unknown".to_owned()),
            cores: std::thread::available_parallelism().doing(|| "count the cores".to_owned())?.get(),
            memory_mib: kib / 1024,
            kernel: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
        })
    }
}

fn read(path: impl AsRef<Path>) -> Result<String, Error> {
    let path = path.as_ref();
    std::fs::read_to_string(path).doing(|| format!("read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_found_by_its_port_with_its_drops() {
        let line = "  714: 0100007F:3DD2 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 \
                    60391 2 00000000d0b4b1f0 42";
        let expected = UdpSocket { port: 15826, connected: false, inode: 60391, drops: 42 };
        assert_eq!(udp_socket(line), Some(expected));
        let heading = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout \
                       inode ref pointer drops";
        assert_eq!(udp_socket(heading), None);

        let own = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = own.local_addr().unwrap().port();
        let listed = udp_sockets().unwrap().into_iter().find(|socket| socket.port == port).unwrap();
        assert!(!listed.connected);
        assert!(socket_inodes(Pid::this()).unwrap().contains(&listed.inode));
    }

    #[test]
    fn a_listener_is_told_from_a_connection() {
        let line = |state| {
            format!(
                "   0: 0100007F:4A92 00000000:0000 {state} 00000000:00000000 00:00000000 00000000     0        0 \
                 1234 1 0000000000000000 100 0 0 10 0"
            )
        };
        assert_eq!(tcp_listener(&line("0A")), Some((0x4a92, 1234)));
        assert_eq!(tcp_listener(&line("01")), None);
    }

    #[test]
    fn switches_of_both_kinds_are_told_apart() {
        let status =
            "Name:\tcoco\nThreads:\t2\nvoluntary_ctxt_switches:\t42\nnonvoluntary_ctxt_switches:\t7\n";
        assert_eq!(switches_of_thread(status), Some(Switches { voluntary: 42, involuntary: 7 }));
        assert_eq!(switches_of_thread("Name:\tcoco\n"), None);
        // The thread that waits for this test has been switched for that.
        assert!(switches(Pid::this()).unwrap().voluntary > 0);
    }

    #[test]
    fn idle_time_is_not_busy_time() {
        assert_eq!(busy_ticks("cpu  1 2 4 1000 2000 8 16 32 4000 0"), 63);
    }

    #[test]
    fn this_process_uses_memory_and_time() {
        assert!(peak_memory(Pid::this()).unwrap() > 0);
        assert!(cpu_time(Pid::this()).unwrap() > Duration::ZERO);
    }
}
