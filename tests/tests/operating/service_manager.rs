//! What a service manager hears of both programs: sd_notify(3), with a socket of the test's own at the other end.

use std::ffi::OsString;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use coco_harness::coco::Config;
use coco_harness::directory::Directory;
use coco_harness::process::Process;
use coco_harness::program::{self, Program};
use coco_harness::sink::Sink;
use coco_harness::wait::{PATIENCE, wait_for};
use nix::sys::signal::Signal;
use nix::time::{ClockId, clock_gettime};

/// Of 2 s: to be fed every second at least. It is every 500 ms, so the queue of the socket (ten messages, see unix(7))
/// holds what comes while the test is busy.
const WATCHDOG: &str = "2000000";

struct Manager {
    socket: UnixDatagram,
    /// What `NOTIFY_SOCKET` is.
    name: OsString,
    _directory: Directory,
}

impl Manager {
    fn new(is_abstract: bool) -> Self {
        let directory = Directory::new("manager");
        let path = directory.path().join("notify");
        let (socket, name) = if is_abstract {
            let address =
                SocketAddr::from_abstract_name(path.as_os_str().as_encoded_bytes()).expect("a name");
            let mut name = OsString::from("@");
            name.push(&path);
            (UnixDatagram::bind_addr(&address), name)
        } else {
            (UnixDatagram::bind(&path), path.into_os_string())
        };
        let socket = socket.expect("a socket of our own");
        socket.set_read_timeout(Some(PATIENCE)).expect("SO_RCVTIMEO");
        Self { socket, name, _directory: directory }
    }

    fn start(&self, program: Program, config: &str, watchdog: &[(&str, &str)]) -> (Process, Directory) {
        let mut environment = vec![("NOTIFY_SOCKET", &*self.name)];
        environment.extend(watchdog.iter().map(|(name, value)| (*name, value.as_ref())));
        program::start_within(program, config, &environment)
    }

    /// The next message.
    fn hear(&self) -> String {
        let mut buffer = [0; 4096];
        let length = self.socket.recv(&mut buffer).expect("something to hear");
        String::from_utf8(buffer[..length].to_vec()).expect("text")
    }

    /// The next message that starts like this. However many others come, the wait has an end.
    fn hear_of(&self, start: &str) -> String {
        wait_for(PATIENCE, format_args!("a message that starts with {start}"), || {
            Some(self.hear()).filter(|message| message.starts_with(start))
        })
    }
}

fn fingerprint(config: &str) -> String {
    use coco_core::config;
    config::Config::parse(config, config::Program::Noodle)
        .expect("a good file")
        .tiers
        .fingerprint()
        .to_string()
}

fn microseconds() -> u128 {
    Duration::from(clock_gettime(ClockId::CLOCK_MONOTONIC).expect("a clock")).as_micros()
}

#[test]
fn both_say_when_they_are_ready_reload_live_and_stop() {
    let sink = Sink::start();
    let config = Config::new(&[("a", &[sink.address])]).text();
    let other = Config::new(&[("b", &[sink.address])]).text();
    let cases = [(Program::Coco, "1 of 1 targets up"), (Program::Noodle, "0 of 1 targets down")];
    for (program, targets) in cases {
        for is_abstract in [false, true] {
            let manager = Manager::new(is_abstract);
            let before = microseconds();
            let (mut process, directory) = manager.start(program, &config, &[("WATCHDOG_USEC", WATCHDOG)]);
            let status = |config| format!("fingerprint {}, {targets}", fingerprint(config));
            assert_eq!(manager.hear(), format!("READY=1\nSTATUS={}\n", status(&config)));
            (0..3).for_each(|_| assert_eq!(manager.hear_of("WATCHDOG"), "WATCHDOG=1\n"));

            // Whatever it thinks of the file, the service manager must not wait.
            for (text, last) in [(&other, &other), (&"nonsense".to_owned(), &other), (&config, &config)] {
                directory.write("coco.conf", text);
                process.signal(Signal::SIGHUP);
                let reloading = manager.hear_of("RELOADING");
                let when = reloading.trim().strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect("the time");
                assert!((before..=microseconds()).contains(&when.parse().expect("a number")), "{when}");
                assert_eq!(manager.hear_of("READY"), format!("READY=1\nSTATUS={}\n", status(last)));
            }
            assert_eq!(manager.hear_of("WATCHDOG"), "WATCHDOG=1\n");
            process.signal(Signal::SIGTERM);
            assert_eq!(
                manager.hear_of("STOPPING"),
                "STOPPING=1\nSTATUS=stopping\nEXTEND_TIMEOUT_USEC=6000000\n"
            );
            assert!(process.ended(PATIENCE).success());
        }
    }
}

#[test]
fn the_watchdog_of_another_process_is_not_fed() {
    let sink = Sink::start();
    let config = Config::new(&[("a", &[sink.address])]).text();
    for watchdog in [&[][..], &[("WATCHDOG_USEC", WATCHDOG), ("WATCHDOG_PID", "1")]] {
        let manager = Manager::new(false);
        let (process, _directory) = manager.start(Program::Coco, &config, watchdog);
        manager.hear_of("READY");
        // It looks twice a second, and would have fed by then.
        manager.socket.set_read_timeout(Some(Duration::from_millis(1500))).expect("SO_RCVTIMEO");
        let mut buffer = [0; 100];
        while let Ok(length) = manager.socket.recv(&mut buffer) {
            assert!(buffer[..length].starts_with(b"STATUS="), "{}", String::from_utf8_lossy(&buffer));
        }
        drop(process);
    }
}

/// What nobody listens to must not matter.
#[test]
fn a_service_manager_that_is_gone_or_deaf_holds_up_nothing() {
    let sink = Sink::start();
    let config = Config::new(&[("a", &[sink.address])]).text();
    let manager = Manager::new(false);
    let gone = [("NOTIFY_SOCKET", "/nowhere/notify"), ("WATCHDOG_USEC", "1000")];
    let (mut process, _directory) = manager.start(Program::Coco, &config, &gone);
    process.reload();
    assert!(process.stop().success());
    // A thousand messages a second, none of which is read: its queue is full soon.
    let (mut process, _directory) = manager.start(Program::Noodle, &config, &[("WATCHDOG_USEC", "2000")]);
    (0..20).for_each(|_| drop(process.reload()));
    assert!(process.stop().success());
}
