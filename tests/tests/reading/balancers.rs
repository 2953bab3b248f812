//! HAProxy and nginx in front of Noodle, as the samples of `etc` set them up: nothing that we do by design costs one of
//! the requests that come through them.

use std::net::SocketAddr;
use std::time::Duration;

use coco_harness::balancer::{Balancer, Load};
use coco_harness::before;
use coco_harness::coco::{Coco, Config};
use coco_harness::distance::Distance;
use coco_harness::noodle::Noodle;
use coco_harness::program::Program;
use coco_harness::sink::Sink;
use coco_harness::text::replaced;
use coco_harness::wait::PATIENCE;
use nix::sys::signal::Signal;

/// Clients at a time.
const CLIENTS: u32 = 8;

/// Requests that are answered in each state of the servers.
const MANY: u64 = 400;

/// Requests that meet the end of their connection.
const CROSSED: u64 = 5;

/// What Noodle answers by itself, as any storage node is asked by another.
const PATH: &str = "/lookup?name=web1.example.org";

/// Only another signal ends it.
const DRAIN: &str = "[stop]\ndrain = '24h'\n";

fn config(fetch: &str) -> String {
    let config = Config::new(&[("a", &["127.0.0.1:1"])]).text();
    replaced(&config, &[("[fetch]\nbind = \"127.0.0.1:0\"\n", fetch)]) + DRAIN
}

/// Noodles that can be started anew where they were: at addresses of their own, so that no connection of others comes
/// by the port meanwhile.
struct Noodles([Noodle; 2]);

impl Noodles {
    fn start(more: &str) -> Self {
        let start =
            |address: &str| Noodle::start(&config(&format!("[fetch]\nbind = \"{address}:0\"\n{more}\n")));
        Self(["127.77.0.1", "127.77.0.2"].map(start))
    }

    fn addresses(&self) -> [SocketAddr; 2] {
        self.0.each_ref().map(|noodle| noodle.address)
    }

    fn config(&self, number: usize) -> String {
        config(&format!("[fetch]\nbind = \"{}\"\n", self.0[number].address))
    }

    /// The tiers change, too.
    fn reload(&mut self, number: usize) {
        let config = self.config(number) + "[tiers.b]\ntargets = [\"127.0.0.1:2\"]\n";
        let said = self.0[number].reload(&config);
        assert!(said.contains(" reloaded "), "{said}");
    }

    fn begin_to_drain(&mut self, number: usize) {
        let process = &mut self.0[number].process;
        process.signal(Signal::SIGTERM);
        process.wait_for("a drain", |process| process.stdout().contains("draining").then_some(()));
    }

    fn end_and_start_again(&mut self, number: usize, while_away: impl FnOnce()) {
        let config = self.config(number);
        self.end_and_start(number, || {
            while_away();
            Noodle::start(&config)
        });
    }

    fn end_and_start(&mut self, number: usize, start: impl FnOnce() -> Noodle) {
        let process = &mut self.0[number].process;
        process.signal(Signal::SIGTERM);
        let status = process.ended(PATIENCE);
        assert!(status.success(), "{status}");
        self.0[number] = start();
    }
}

/// Clients that hardly wait.
fn busy(_: u32, _: u32) -> Duration {
    Duration::from_millis(1)
}

/// How Noodle keeps connections there.
const IMPATIENT: &str = "idle_timeout = '1s'";

/// How far a balancer is from Noodle.
const DISTANCE: Duration = Duration::from_millis(20);

/// Clients that wait as long as Noodle, which keeps a connection for a second more than the one that it says: what they
/// send meets the end of their connection now and then. They wait differently, so that one of them does.
fn as_long_as_noodle(client: u32, answer: u32) -> Duration {
    Duration::from_millis(u64::from(1_900 + 5 * ((client * 7 + answer * 3) % 40)))
}

#[test]
fn haproxy_loses_no_request_by_a_reload_or_a_drained_restart() {
    let mut noodles = Noodles::start("");
    let target = Sink::start();
    let coco = || Coco::start(&(Config::new(&[("a", &[target.address])]).text() + DRAIN));
    let cocos = [coco(), coco()];
    let mut haproxy = Balancer::haproxy(noodles.addresses(), [cocos[0].api, cocos[1].api]);
    for server in ["noodle1", "noodle2", "coco1", "coco2"] {
        haproxy.wait_for_state(server, "UP", "L7OK 204");
    }
    let load = Load::begin(&haproxy.front(), CLIENTS, PATH, busy);
    load.wait_for_answers(MANY);
    for (number, server) in ["noodle1", "noodle2"].into_iter().enumerate() {
        noodles.reload(number);
        load.wait_for_answers(MANY);
        noodles.begin_to_drain(number);
        haproxy.wait_for_state(server, "DOWN", "L7STS 503");
        load.wait_for_answers(MANY);
        noodles.end_and_start_again(number, || load.wait_for_answers(MANY));
        haproxy.wait_for_state(server, "UP", "L7OK 204");
        load.wait_for_answers(MANY);
    }
    cocos[0].process.signal(Signal::SIGTERM);
    haproxy.wait_for_state("coco1", "DOWN", "L7STS 503");
    haproxy.wait_for_state("coco2", "UP", "L7OK 204");
    assert!(load.end() >= 9 * MANY);
}

#[test]
fn haproxy_loses_no_request_by_its_own_reload_or_the_death_of_a_noodle() {
    let mut noodles = Noodles::start("");
    let addresses = noodles.addresses();
    let mut haproxy = Balancer::haproxy(addresses, addresses);
    let load = Load::begin(&haproxy.front(), CLIENTS, PATH, busy);
    load.wait_for_answers(MANY);
    for number in [0, 1] {
        haproxy.reload();
        load.wait_for_answers(MANY);
        noodles.0[number].process.signal(Signal::SIGKILL);
        let _ = noodles.0[number].process.ended(PATIENCE);
        load.wait_for_answers(MANY);
        noodles.0[number] = Noodle::start(&noodles.config(number));
        haproxy.wait_for_state(["noodle1", "noodle2"][number], "UP", "L7OK 204");
        load.wait_for_answers(MANY);
    }
    assert!(load.end() >= 7 * MANY);
}

#[test]
#[ignore = "long: builds the programs of before"]
fn haproxy_loses_no_request_by_an_upgrade_of_one_noodle_after_the_other() {
    let before = before::path(Program::Noodle);
    let mut noodles = Noodles::start("");
    for number in [0, 1] {
        noodles.begin_to_drain(number);
        let config = noodles.config(number);
        noodles.end_and_start(number, || Noodle::start_build(&before, &config));
    }
    let addresses = noodles.addresses();
    let mut haproxy = Balancer::haproxy(addresses, addresses);
    let load = Load::begin(&haproxy.front(), CLIENTS, PATH, busy);
    load.wait_for_answers(MANY);
    for (number, server) in ["noodle1", "noodle2"].into_iter().enumerate() {
        noodles.begin_to_drain(number);
        haproxy.wait_for_state(server, "DOWN", "L7STS 503");
        noodles.end_and_start_again(number, || load.wait_for_answers(MANY));
        haproxy.wait_for_state(server, "UP", "L7OK 204");
        load.wait_for_answers(MANY);
    }
    assert!(load.end() >= 5 * MANY);
}

#[test]
fn nginx_loses_no_request_by_a_reload_or_a_drained_restart() {
    let mut noodles = Noodles::start("");
    let nginx = Balancer::nginx(noodles.addresses());
    let load = Load::begin(&nginx.front(), CLIENTS, PATH, busy);
    load.wait_for_answers(MANY);
    for number in [0, 1] {
        noodles.reload(number);
        load.wait_for_answers(MANY);
        noodles.begin_to_drain(number);
        load.wait_for_answers(MANY);
        noodles.end_and_start_again(number, || load.wait_for_answers(MANY));
        load.wait_for_answers(MANY);
    }
    assert!(load.end() >= 9 * MANY);
}

/// HAProxy keeps connections as long as they are kept: what meets the end of one is asked again.
#[test]
fn haproxy_loses_no_request_to_a_connection_that_noodle_closes() {
    let noodles = Noodles::start(IMPATIENT);
    let far = noodles.addresses().map(|address| Distance::to(address, DISTANCE));
    let addresses = far.each_ref().map(|distance| distance.address);
    let mut haproxy = Balancer::haproxy(addresses, addresses);
    for server in ["noodle1", "noodle2"] {
        haproxy.wait_for_state(server, "UP", "L7OK 204");
    }
    let load = Load::begin(&haproxy.front(), 4 * CLIENTS, PATH, as_long_as_noodle);
    while crossed(&far) < CROSSED {
        load.wait_for_answers(1);
    }
    assert!(load.end() > 0);
}

/// nginx closes them first, so nothing meets the end of one.
#[test]
fn nginx_loses_no_request_to_a_connection_that_noodle_would_close() {
    let noodles = Noodles::start(IMPATIENT);
    let far = noodles.addresses().map(|address| Distance::to(address, DISTANCE));
    let nginx = Balancer::nginx(far.each_ref().map(|distance| distance.address));
    let load = Load::begin(&nginx.front(), 4 * CLIENTS, PATH, as_long_as_noodle);
    load.wait_for_answers(MANY);
    assert!(load.end() >= MANY);
    assert_eq!(crossed(&far), 0);
}

fn crossed(far: &[Distance; 2]) -> u64 {
    far.iter().map(Distance::crossed).sum()
}
