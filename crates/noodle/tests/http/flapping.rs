//! A node that answers now and then is asked last.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use coco_core::config::CocoConfig;
use coco_harness::wait::{PATIENCE, wait_until};
use serde_json::json;

use crate::node::{Node, response, write};
use crate::noodle::{Noodle, tiers};

const FETCH: &str = "recovery = \"250ms\"";

/// A node that has these bytes for every path, and closes connections without a word while it is told to.
struct Moody {
    node: Node,
    is_down: Arc<AtomicBool>,
}

impl Moody {
    fn start(body: String) -> Self {
        let is_down = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&is_down);
        let node = Node::start(move |_, stream| {
            let answers = !told.load(Ordering::SeqCst);
            if answers {
                write(stream, &response(200, "", body.as_bytes()));
            }
            answers
        });
        Self { node, is_down }
    }

    fn set_down(&self, is_down: bool) {
        self.is_down.store(is_down, Ordering::SeqCst);
    }

    /// Lets it go down and come up until Noodle says that it flaps; it is up then.
    fn flap(&self, noodle: &Noodle, path: &str) {
        // From the third time on, unless this machine is so busy that the first is long ago by then.
        loop {
            self.set_down(true);
            ask_until(noodle, path, || state_of(noodle) != "up");
            self.set_down(false);
            if state_of(noodle) == "flapping" {
                return;
            }
            ask_until(noodle, path, || state_of(noodle) == "up");
        }
    }
}

/// The state of the first target of the first tier.
fn state_of(noodle: &Noodle) -> String {
    noodle.get("/tiers").json()[0]["connections"]["t0:1"]["state"].as_str().unwrap().to_owned()
}

fn ask_until(noodle: &Noodle, path: &str, done: impl Fn() -> bool) {
    let mut client = noodle.connect();
    wait_until(PATIENCE, "another state", || {
        let is_done = done();
        if !is_done {
            client.ask("GET", path, "");
        }
        is_done
    });
}

#[test]
fn its_hosts_come_from_the_next_tier_until_it_is_calm() {
    let moody = Moody::start(json!({"web1": 1}).to_string());
    let other = Moody::start(json!({"web1": 2}).to_string());
    let noodle = Noodle::start(&tiers(&[("t", &[moody.node.address]), ("u", &[other.node.address])]), FETCH);
    let path = "/data/web1/load";
    let tier = || noodle.get(path).json()["_meta"]["tier"].clone();
    assert_eq!(tier(), "t");
    moody.flap(&noodle, path);
    let state = json!({"unasked": 0, "up": 0, "down": 0, "flapping": 1});
    assert_eq!(noodle.counters()["fetch.target.state"]["t0:1"], state);

    let asked = moody.node.asked().len();
    assert_eq!(tier(), "u");
    assert_eq!(noodle.get("/data/web1,web1/load").json()["_meta"]["tier"], "u");
    assert_eq!(moody.node.asked().len(), asked);
    // Last is not never.
    other.set_down(true);
    assert_eq!(tier(), "t");
    other.set_down(false);

    ask_until(&noodle, path, || state_of(&noodle) == "up");
    assert_eq!(tier(), "t");
}

/// With two copies of each host there is a choice within the only tier.
#[test]
fn its_hosts_come_from_their_other_copy_until_it_is_calm() {
    let tier = |addresses: [SocketAddr; 2]| {
        let target = |(at, address): (usize, SocketAddr)| {
            format!("{{ name = \"s{at}\", address = \"t{at}:1\", fetch = \"http://{address}\" }}")
        };
        let targets = addresses.into_iter().enumerate().map(target).collect::<Vec<_>>().join(", ");
        format!("[tiers.t]\nhash = \"rendezvous\"\nreplicas = 2\ntargets = [{targets}]\n")
    };
    let nowhere = [1, 2].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    let config = CocoConfig::parse(&tier(nowhere)).unwrap();
    let owner = |host: &String| {
        let mut owners = Vec::new();
        config.tiers.get(0).unwrap().placement().owners(host.as_bytes(), &mut owners);
        owners[0]
    };
    let host = (0..).map(|number| format!("web{number}")).find(|host| owner(host) == 0).unwrap();
    let moody = Moody::start(json!({(&*host): 1}).to_string());
    let other = Moody::start(json!({(&*host): 2}).to_string());
    let noodle = Noodle::start(&tier([moody.node.address, other.node.address]), FETCH);
    let path = format!("/data/{host}/load");
    let copy = || noodle.get(&path).json()[&host].clone();
    assert_eq!(copy(), 1, "its first owner");
    moody.flap(&noodle, &path);

    let asked = moody.node.asked().len();
    for _ in 0..20 {
        assert_eq!(copy(), 2);
    }
    assert_eq!(moody.node.asked().len(), asked, "nor to find out whether it is back, as one that is down");
    other.set_down(true);
    assert_eq!(copy(), 1, "last is not never");
    other.set_down(false);
    ask_until(&noodle, &path, || state_of(&noodle) == "up");
    wait_until(PATIENCE, "its first owner again", || copy() == 1);
}

#[test]
fn its_share_of_a_pattern_comes_from_the_next_tier_as_long_as_that_has_it() {
    let names = Noodle::start(&tiers(&[("t", &[Node::refusing(), Node::refusing()])]), "");
    let [a, b] = [names.host_of(&[0]), names.host_of(&[1])];
    let moody = Moody::start(json!({(&*a): 0}).to_string());
    let steady = Moody::start(json!({(&*b): 1}).to_string());
    let other = Moody::start(json!({(&*a): 2, (&*b): 2}).to_string());
    let targets = tiers(&[("t", &[moody.node.address, steady.node.address]), ("u", &[other.node.address])]);
    let noodle = Noodle::start(&targets, FETCH);
    moody.flap(&noodle, &format!("/data/{a}/load"));

    let asked = moody.node.asked().len();
    let both = || {
        let answer = noodle.get("/data/web*/load").json();
        assert!(answer["_meta"].get("partial").is_none(), "{answer}");
        [answer[&a].clone(), answer[&b].clone()]
    };
    assert_eq!(both(), [2, 1]);
    assert_eq!(moody.node.asked().len(), asked);
    other.set_down(true);
    assert_eq!(both(), [0, 1]);
    // What it has is better than nothing, and what it has not is missing.
    moody.set_down(true);
    let answer = noodle.get("/data/web*/load").json();
    assert_eq!((&answer[&b], &answer["_meta"]["partial"]), (&json!(1), &json!(true)));
    assert!(answer.get(&a).is_none());
}
