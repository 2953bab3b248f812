use std::net::{TcpListener, UdpSocket};
use std::num::NonZero;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use coco::lane::unix_seconds;
use coco::service::{RunError, Service};
use coco::start::{StartError, StartErrors};
use coco_core::config::{CocoConfig, LaneThreads, Security};
use coco_core::value_list::ValueList;
use coco_harness::sink::Sink;
use coco_harness::traffic::{datagram, send, sender};
use coco_harness::wait::{PATIENCE, wait_for, wait_until};
use regex::bytes::Regex;

use crate::agents::value_list;
use crate::running::{Running, config, number, run};

fn to(node: &Sink) -> CocoConfig {
    config(&[("only", vec![node.address.to_string()])])
}

fn hosts(numbers: std::ops::Range<u32>) -> Vec<ValueList> {
    numbers
        .map(|host| value_list(format!("h{:08x}", host.wrapping_mul(0x9e37_79b9)).as_bytes(), "p", "t", 1))
        .collect()
}

#[test]
fn whom_there_is_no_memory_for_is_served_all_the_same() {
    const HOSTS: u32 = 200_000;
    let node = Sink::start();
    let mut config = to(&node);
    config.state.max_memory = 1 << 20;
    config.pipeline.threads = LaneThreads::Two;
    let coco = Running::start(config);
    let agent = sender(coco.listen);
    // No more at once than all buffers on the way hold.
    for start in (0..HOSTS).step_by(4000) {
        let lists = hosts(start..start + 4000);
        send(&agent, &lists);
        wait_until(PATIENCE, "what was sent", || node.count() >= u64::from(start + 4000));
    }
    let vars =
        coco.vars_when("the last to be counted", |vars| number(vars, "send", "total") == u64::from(HOSTS));
    assert_eq!(number(&vars, "filter", "accepted"), u64::from(HOSTS));
    let remembered = number(&vars, "state", "metrics");
    assert!(remembered > 1000 && number(&vars, "state", "bytes") <= 1 << 20, "{vars}");
    assert_eq!(number(&vars, "state", "hosts"), remembered, "no host without a metric");
    assert_eq!(number(&vars, "filter", "unremembered"), u64::from(HOSTS) - remembered);
    // Who was first is still known.
    let shown = coco.get("/tiers").json();
    let routes = shown[0]["routes"][&node.address.to_string()].as_object().unwrap();
    assert_eq!(routes.len() as u64, remembered);
    assert!(routes.contains_key("h00000000"));
    coco.stop().unwrap();
}

#[test]
fn what_is_silent_is_forgotten() {
    let node = Sink::start();
    let mut config = to(&node);
    config.state.expire = Duration::from_secs(1);
    let coco = Running::start(config);
    send(&sender(coco.listen), &hosts(0..10));
    coco.vars_when("everything to be sent", |vars| number(vars, "send", "total") == 10);
    let vars = coco.vars_when("the tables to be empty", |vars| {
        number(vars, "state", "hosts") == 0 && number(vars, "hash.hosts", &node.address.to_string()) == 0
    });
    assert!(number(&vars, "state", "metrics") == 0 && number(&vars, "state", "bytes") < 100_000, "{vars}");
    send(&sender(coco.listen), &hosts(0..1));
    coco.vars_when("a host to be remembered again", |vars| number(vars, "state", "hosts") == 1);
    coco.stop().unwrap();
}

#[test]
fn what_was_seen_while_the_clock_was_ten_years_ahead_expires_when_it_is_right_again() {
    const TEN_YEARS: u32 = 10 * 365 * 86_400;
    static AHEAD: AtomicU32 = AtomicU32::new(TEN_YEARS);
    let clock = || unix_seconds().saturating_add(AHEAD.load(Ordering::Relaxed));
    let node = Sink::start();
    let mut config = to(&node);
    config.state.expire = Duration::from_secs(1);
    let coco = Running::start_by(clock, config);
    let agent = sender(coco.listen);
    // Until one is seen: at any time before, it may have expired already.
    let seen = wait_for(PATIENCE, "a host to be shown", || {
        send(&agent, &hosts(0..1));
        let shown = coco.get("/tiers").json();
        shown[0]["routes"][&node.address.to_string()]["h00000000"]["p/t"].as_u64()
    });
    let now = u64::from(unix_seconds());
    assert!(seen > now + u64::from(TEN_YEARS) / 2, "{seen} at {now}");
    AHEAD.store(0, Ordering::Relaxed);
    coco.vars_when("it to expire", |vars| number(vars, "state", "hosts") == 0);
    // And so it is with what comes by the right clock.
    send(&agent, &hosts(1..2));
    coco.vars_when("another to be remembered", |vars| number(vars, "state", "hosts") == 1);
    coco.vars_when("that to expire", |vars| number(vars, "state", "hosts") == 0);
    coco.stop().unwrap();
}

#[test]
fn what_the_kernel_drops_is_counted() {
    const SENT: u64 = 2000;
    for lanes in [1, 2] {
        let node = Sink::start();
        let mut config = to(&node);
        config.listen.receive_buffer = 4096;
        config.pipeline.lanes = NonZero::new(lanes).unwrap();
        let (found, address) = std::sync::mpsc::channel();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        // Before the service reads its socket, so that the buffer surely overflows.
        let flood = move |listen, api| {
            let datagram = &datagram(&hosts(0..1)[0]);
            for _ in 0..SENT / 20 {
                let agent = sender(listen);
                (0..20).for_each(|_| assert_eq!(agent.send(datagram).unwrap(), datagram.len()));
            }
            found.send((listen, api)).unwrap();
        };
        let thread = std::thread::spawn(move || run(config, flood, async { drop(stopped.await) }));
        let coco = Running::attach(address.recv().unwrap(), stop, thread);
        let vars = coco.vars_when("every datagram to be accounted for", |vars| {
            number(vars, "listen", "raw") + number(vars, "listen", "kernel_drops") == SENT
        });
        assert!(number(&vars, "listen", "kernel_drops") > 0 && number(&vars, "listen", "raw") > 0, "{vars}");
        // The kernel gives twice what it is asked for.
        assert_eq!(number(&vars, "listen", "receive_buffer_bytes"), 8192);
        assert_eq!(number(&vars, "listen", "receive_buffer_used_bytes"), 0, "all is read");
        coco.stop().unwrap();
    }
}

#[test]
fn a_stop_delivers_what_has_arrived() {
    for (threads, lanes) in [(1, 1), (2, 1), (3, 1), (1, 2), (3, 2)] {
        let node = Sink::start();
        let mut config = to(&node);
        config.pipeline.threads = LaneThreads::new(threads).unwrap();
        config.pipeline.lanes = NonZero::new(lanes).unwrap();
        let lists = hosts(0..200);
        let before = |listen, _| {
            lists.chunks(10).for_each(|lists| send(&sender(listen), lists));
        };
        // Told to stop before it has received anything.
        run(config, before, std::future::ready(())).unwrap();
        wait_until(PATIENCE, "everything", || node.value_lists().len() == lists.len());
    }
}

#[test]
fn a_stop_that_takes_too_long_is_an_error_that_says_what_is_left() {
    let node = Sink::start();
    let mut config = to(&node);
    config.stop.grace = Duration::ZERO;
    config.pipeline.threads = LaneThreads::Three;
    // Names that are costly to match: about a second of work for the filter.
    config.filter.blacklist = Some(Regex::new("(?:[0-9a-f/]?[a-z/]{0,40}){100}[^0-9a-z/]").unwrap());
    let problem = run(config, |listen, _| send(&sender(listen), &hosts(0..20_000)), std::future::ready(()));
    let problem = problem.unwrap_err();
    let RunError::GraceOver(left) = problem else { panic!("{problem}") };
    assert_eq!(problem.to_string(), format!("stopped with {left} value lists still queued"));
}

#[test]
fn what_cannot_start_says_why() {
    let node = Sink::start();
    let (udp, tcp) = (UdpSocket::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    for lanes in [1, 2] {
        let mut taken = to(&node);
        taken.listen.bind = udp.local_addr().unwrap().to_string().parse().unwrap();
        taken.pipeline.lanes = NonZero::new(lanes).unwrap();
        let problems = prepare_in_vain(taken);
        assert!(matches!(problems.iter().as_slice(), [StartError::Listen { .. }]), "{problems}");
    }
    let mut taken = to(&node);
    taken.api.bind = tcp.local_addr().unwrap().to_string().parse().unwrap();
    let problems = prepare_in_vain(taken);
    assert!(matches!(problems.iter().as_slice(), [StartError::Api(_)]), "{problems}");
    let mut missing = to(&node);
    missing.listen.typesdb = vec!["/nowhere/types.db".into()];
    let problems = prepare_in_vain(missing).to_string();
    assert!(problems.starts_with("listen.typesdb: cannot read /nowhere/types.db: "), "{problems}");
    // Of several, each is read.
    let present = std::env::current_exe().unwrap().with_file_name("types-of-a-test.db");
    std::fs::write(&present, "gauge value:GAUGE:U:U\n").unwrap();
    let mut second_missing = to(&node);
    second_missing.listen.typesdb = vec![present.clone(), "/nowhere/our.db".into()];
    let problems = prepare_in_vain(second_missing).to_string();
    assert!(problems.starts_with("listen.typesdb: cannot read /nowhere/our.db: "), "{problems}");
    std::fs::remove_file(present).unwrap();
    let mut itself = to(&node);
    itself.listen.bind = format!("127.0.0.1:{}", free_port()).parse().unwrap();
    let port = itself.listen.bind.port();
    itself.tiers =
        config(&[("one", vec![format!("localhost:{port}")]), ("two", vec![format!("127.0.0.1:{port}")])])
            .tiers;
    let problems = prepare_in_vain(itself);
    let [one, two] = problems.iter().as_slice() else { panic!("{problems}") };
    for problem in [one, two] {
        assert!(matches!(problem, StartError::Loop { .. }), "{problem}");
    }
}

#[test]
fn what_cannot_start_says_all_that_is_wrong() {
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut config = to(&Sink::start());
    config.listen.bind = udp.local_addr().unwrap().to_string().parse().unwrap();
    config.listen.typesdb = vec!["/nowhere/types.db".into()];
    config.listen.security = Security::Open(Some("/nowhere/auth".into()));
    let problems = prepare_in_vain(config).to_string();
    let keys: Vec<_> = problems.lines().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(keys, ["listen.typesdb", "listen.auth_file", "listen.bind"], "{problems}");
}

/// What the text of the configuration does not tell, since it is a name there.
#[test]
fn a_name_that_is_of_a_multicast_group_has_one_lane() {
    let mut config = to(&Sink::start());
    config.listen.bind = "239.192.74.66:0".parse().unwrap();
    config.pipeline.lanes = NonZero::new(2).unwrap();
    let problems = prepare_in_vain(config).to_string();
    assert!(problems.starts_with("pipeline.lanes: must be 1"), "{problems}");
}

fn prepare_in_vain(config: CocoConfig) -> StartErrors {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(Service::prepare(config)).err().unwrap()
}

fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
