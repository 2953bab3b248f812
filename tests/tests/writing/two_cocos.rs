//! Two Cocos, so that the death of one loses nothing: agents that send to both, with collectd at both ends.

use std::collections::BTreeSet;

use coco_harness::coco::{Coco, Config};
use coco_harness::collectd::{Collectd, Security, StorageNode};
use coco_harness::csv::Hosts;
use coco_harness::rrd;
use coco_harness::wait::{PATIENCE, wait_until};
use nix::sys::signal::Signal;

const HOST: &str = "twice.example.org";
const SERIES: &str = "load/load";

/// Rows of the agent, one a second, in each state of the Cocos.
const ROWS: usize = 2;

/// What the agent has written itself is what it has sent. The node has each row of it: in its RRD files once, since of two
/// copies of a value list the second is not newer than the first, in its csv files as often as it came.
#[test]
fn an_agent_with_two_servers_loses_no_row_by_a_death_a_return_and_a_stop() {
    let node = StorageNode::with_rrd_files("node");
    let config = |listen: Option<String>| {
        let mut config = Config::new(&[("a", &[node.address])]);
        if let Some(listen) = listen {
            config.listen = listen;
        }
        config.text()
    };
    let mut first = Coco::start(&config(None));
    let second = Coco::start(&config(None));
    let plain = Security { level: "None", user: None };
    let agent = Collectd::secured_agent(HOST, &[first.listen, second.listen], plain);
    let rows = || agent.rows().get(HOST).and_then(|series| series.get(SERIES)).map_or(0, Vec::len);
    let goes_on = |what: &str| {
        let before = rows();
        wait_until(PATIENCE, what, || rows() >= before + ROWS);
    };
    goes_on("rows with both");
    first.process.signal(Signal::SIGKILL);
    let _ = first.process.ended(PATIENCE);
    goes_on("rows with the second alone");
    first = Coco::start(&config(Some(first.listen.to_string())));
    goes_on("rows with both again");
    assert!(second.stop().success());
    goes_on("rows with the first alone");
    let sent = agent.stop();
    assert!(sent[HOST][SERIES].len() >= 4 * ROWS);
    let distinct = |hosts: &Hosts| -> BTreeSet<String> {
        hosts.get(HOST).into_iter().flat_map(|series| &series[SERIES]).cloned().collect()
    };
    wait_until(PATIENCE, "every row of the agent at the node", || distinct(&node.rows()) == distinct(&sent));
    let written = node.rows()[HOST][SERIES].len();
    assert!(
        written > sent[HOST][SERIES].len(),
        "what comes twice is written twice by who does not look: {written}"
    );
    // By RRD, the last row stands at its second, and those of the agent are known up to there.
    let time = |row: &String| row.split('.').next().and_then(|time| time.parse().ok()).expect("a time");
    let [begin, end]: [i64; 2] = [&sent[HOST][SERIES][0], sent[HOST][SERIES].last().expect("rows")].map(time);
    let file = node.rrd_files().join(HOST).join("load/load.rrd");
    wait_until(PATIENCE, "the last row in the file", || rrd::last(&file) >= end);
    let known = rrd::fetch(&file, begin, end)["shortterm"].iter().flatten().count();
    assert!(known as i64 >= end - begin - 1, "{known} of {}", end - begin);
    assert!(first.stop().success());
}
