//! The checks, on rates that a real collectd has read from a real Coco and that Noodle reads back out of RRD files.

use std::net::SocketAddr;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use coco_harness::coco::{Coco, Config};
use coco_harness::collectd::{Collectd, sample};
use coco_harness::directory::Directory;
use coco_harness::noodle::Noodle;
use coco_harness::program::{Ended, Program, run};
use coco_harness::rrd;
use coco_harness::sink::Sink;
use coco_harness::text::replaced;
use coco_harness::traffic;
use coco_harness::visage::Visage;
use coco_harness::wait::{PATIENCE, wait_until};

const HOST: &str = "coco.example.org";

/// Between two datagrams for a host.
const PAUSE: Duration = Duration::from_millis(20);

/// Points of each half. RRD files have one a second, so this is most of the time that the test takes.
const POINTS: usize = 12;

#[test]
fn a_steady_rate_is_ok_and_one_that_was_halved_is_critical() {
    // Now, since building them may take as long as the points that are waited for.
    for program in [Program::AnomalousCocoSend, Program::AnomalousCocoErrors] {
        is(&run(program, &["--version"]), 3, program.name());
    }
    let sinks = [(); 2].map(|()| Sink::start());
    let [steady, halved] = sinks.each_ref().map(|sink| sink.address.to_string());
    let files = Directory::new("rrd");
    let visage = Visage::start(files.path());
    let config = Config::new(&[("shortterm", &[&steady, &halved])]);
    let config = config.fetch(&steady, &visage.url()).fetch(&halved, &visage.url()).text();
    let (coco, noodle) = (Coco::start(&config), Noodle::start(&config));

    let hosts = [&steady, &halved].map(|target| {
        let mut names = (0..100).map(|number| format!("agent{number}"));
        names.find(|name| coco.owner(name, "shortterm") == *target).expect("each target owns some")
    });
    let load = Load::start(coco.listen, hosts);
    wait_until(PATIENCE, "both targets get something", || sinks.iter().all(|sink| sink.count() > 0));
    let coco_conf =
        replaced(&sample("coco.conf"), &[("http://localhost:9090", &format!("http://{}", coco.api))]);
    let rrdtool = format!(
        "LoadPlugin rrdtool\n<Plugin rrdtool>\n  DataDir \"{}\"\n  CacheTimeout 0\n  StepSize 1\n  HeartBeat 10\n  \
         RRATimespan 1200\n</Plugin>\n",
        files.path().display()
    );
    let watcher = Collectd::start(HOST, &(coco_conf + &rrdtool));

    let file = files.path().join(HOST).join(format!("curl_json-coco/operations-send-{halved}.rrd"));
    let known = || {
        let now = SystemTime::UNIX_EPOCH.elapsed().expect("it is after 1970").as_secs() as i64;
        // There is a file as soon as there are two values.
        let values = if file.exists() { rrd::fetch(&file, now - 100, now) } else { rrd::Values::new() };
        values.values().flatten().flatten().count()
    };
    wait_until(PATIENCE, "points before", || known() >= POINTS);
    let check_window = |window, program, arguments: &[&str]| {
        let endpoint = noodle.address.to_string();
        run(program, &[&["--host", HOST, "--endpoint", &endpoint, "--window", window], arguments].concat())
    };
    // However late it is by now, this can't hold the twenty points that are the least.
    is(&check_window("12s", Program::AnomalousCocoSend, &["--target", &halved]), 3, "COCO SEND UNKNOWN - ");
    let check = |program, arguments: &[&str]| check_window("100s", program, arguments);
    let before = known();
    load.halve();
    wait_until(PATIENCE, "points behind", || known() >= 2 * before);

    let send = |target: &str| check(Program::AnomalousCocoSend, &["--target", target]);
    is(&send(&steady), 0, &format!("COCO SEND OK - {steady} of {HOST}: "));
    is(&send(&halved), 2, &format!("COCO SEND CRITICAL - {halved} of {HOST}: "));
    let errors = |arguments: &[&str]| check(Program::AnomalousCocoErrors, arguments);
    is(
        &errors(&["--error", "send-write"]),
        0,
        &format!("COCO ERRORS OK - send-write of {HOST}: 0/s, before 0/s "),
    );
    is(
        &errors(&["--error", "listen-receive"]),
        2,
        &format!("COCO ERRORS CRITICAL - listen-receive of {HOST}: "),
    );
    is(&errors(&[]), 2, &format!("COCO ERRORS CRITICAL - all errors of {HOST}: "));
    is(&send("127.0.0.9"), 3, "COCO SEND UNKNOWN - ");

    drop(load);
    let _ = watcher.stop();
    assert!(noodle.stop().success());
    assert!(coco.stop().success());
}

#[track_caller]
fn is(ended: &Ended, status: i32, start: &str) {
    assert_eq!(ended.status, Some(status), "{ended:?}");
    assert!(ended.stdout.starts_with(start), "{ended:?}");
}

/// Two agents that send at a steady pace, until it is dropped.
struct Load {
    halve: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Load {
    /// Ten value lists of each host at a time.
    fn start(to: SocketAddr, hosts: [String; 2]) -> Self {
        let datagrams = hosts.map(|host| {
            let lists: Vec<_> = (0..10).map(|place| traffic::value_list(&host, place)).collect();
            traffic::datagrams(traffic::MAX_PACKET_SIZE, &lists)
        });
        let (halve, halved) = channel();
        let thread = std::thread::spawn(move || {
            let sender = traffic::sender(to);
            let send = |datagram: &[u8]| {
                sender.send(datagram).expect("coco listens");
            };
            let (mut half, start) = (false, Instant::now());
            for turn in 1u32.. {
                datagrams[0].iter().for_each(|datagram| send(datagram));
                if !half || turn % 2 == 0 {
                    datagrams[1].iter().for_each(|datagram| send(datagram));
                }
                if half {
                    send(b"garbage");
                }
                // By the clock, so that a turn that came late is made up for.
                let pause = (start + turn * PAUSE).saturating_duration_since(Instant::now());
                match halved.recv_timeout(pause) {
                    Ok(()) => half = true,
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        });
        Self { halve: Some(halve), thread: Some(thread) }
    }

    /// From now on the second agent sends half as much, and somebody else sends garbage.
    fn halve(&self) {
        self.halve.as_ref().expect("it runs").send(()).expect("it runs");
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.halve = None;
        let joined = self.thread.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || matches!(joined, Some(Ok(()))), "the load has ended before");
    }
}
