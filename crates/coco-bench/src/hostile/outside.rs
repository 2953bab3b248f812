//! What surrounds a daemon: its log, its files, the signals that it is sent.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::Scene;
use super::datagrams::{Flood, Kind};
use super::floods::fill;
use super::honest::Agent;
use super::stage::{Daemon, Finding, Output, Stage, coco_config, noodle_config, unread_targets};
use crate::error::{Doing, Error};
use crate::http;
use crate::socket;

/// Where nobody listens: the discard service is long gone.
const NOBODY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9);

/// Nothing reads the log, and there is much to say.
pub(crate) fn unread_log(scene: &Scene<'_>, daemon: Daemon) -> Result<Finding, Error> {
    let (stage, config) = plain(scene, daemon, &Output::FullPipe)?;
    let faults: String = (0..1_000).map(|number| format!("[surprise-{number}]\nkey = 1\n")).collect();
    let rounds = scene.size(40, 10);
    for round in 0..rounds {
        stage.write_config(&faults)?;
        stage.reload()?;
        complain(&stage, round)?;
        std::thread::sleep(Duration::from_millis(200));
    }
    stage.write_config(&config)?;
    let vars = http::get_json(stage.api, "/debug/vars")?;
    let name = if daemon == Daemon::Coco { "coco" } else { "noodle" };
    let mut stage = stage;
    stage.notes.push(format!("{} lines of the log lost", vars[name]["errors"]["log.dropped"]));
    stage.finish(format!("full pipe, {rounds} refused reloads of 1,000 faults"))
}

/// Has it something to warn of: a malformed datagram, a node that is down.
fn complain(stage: &Stage, round: usize) -> Result<(), Error> {
    let Some(listen) = stage.listen else {
        // 502, which is not what `get` is for.
        let _ = http::get(stage.api, &format!("/data/h{round}/load/load"));
        return Ok(());
    };
    let out = socket::connect(listen).doing(|| format!("send to {listen}"))?;
    for malformed in [&[0; 3][..], b"x", &[0, 0, 0, 1], &[0, 6, 0, 6, 0, 1]] {
        out.send(malformed).doing(|| format!("send to {listen}"))?;
    }
    Ok(())
}

/// A daemon with one target beside the honest one, and the text of its configuration.
fn plain(scene: &Scene<'_>, daemon: Daemon, output: &Output) -> Result<(Stage, String), Error> {
    let (agent, config) = match daemon {
        Daemon::Coco => {
            let agent = Agent::new()?;
            let config = coco_config(agent.target(), &[NOBODY], "");
            (Some(agent), config)
        }
        Daemon::Noodle => (None, noodle_config(&[NOBODY])),
    };
    let stage = Stage::start(scene.place, daemon, &config, agent, "/debug/vars", output)?;
    Ok((stage, config))
}

/// The configuration becomes a FIFO that nobody writes, as a file of a hung mount would be.
pub(crate) fn fifo(scene: &Scene<'_>, daemon: Daemon) -> Result<Finding, Error> {
    let (stage, config) = plain(scene, daemon, &Output::File)?;
    std::fs::remove_file(&stage.config).doing(|| "take the configuration away".to_owned())?;
    mkfifo(&stage.config, Mode::S_IRWXU).doing(|| "make a FIFO".to_owned())?;
    let reloads = scene.size(10, 3);
    for _ in 0..reloads {
        stage.reload()?;
        std::thread::sleep(Duration::from_millis(500));
    }
    // And a file again, which counts.
    std::fs::remove_file(&stage.config).doing(|| "take the FIFO away".to_owned())?;
    stage.write_config(&config)?;
    stage.reload()?;
    stage.finish(format!("{reloads} reloads of a FIFO"))
}

/// A storm of reloads with other tiers and another blacklist each time, over a state that is large.
pub(crate) fn reloads(scene: &Scene<'_>) -> Result<Finding, Error> {
    let (_targets, addresses) = unread_targets(5)?;
    let agent = Agent::new()?;
    let texts: Vec<String> = ["", "/(vmem|irq)/", "/[0-9a-f]*7$"]
        .iter()
        .zip(2..)
        .map(|(blacklist, targets)| {
            let more = format!("[filter]\nblacklist = {blacklist:?}\n[pipeline]\nthreads = 2\n");
            coco_config(agent.target(), &addresses[..targets], &more)
        })
        .collect();
    let (place, daemon) = (scene.place, Daemon::Coco);
    let mut stage = Stage::start_silent(place, daemon, &texts[0], Some(agent), "/debug/vars", &Output::File)?;
    let listen = stage.listen()?;
    let metrics = fill(listen, stage.api, scene.size(8_000, 300) as u64)?;
    // What the agent loses from now on the reloads have lost.
    stage.wait_until_idle()?;
    stage.let_agent_send()?;
    let count = scene.size(190, 60);
    let pause = Duration::from_secs(10) / 190;
    let start = Instant::now();
    std::thread::scope(|scope| {
        let time = pause * count as u32;
        let pause_of_flood = Duration::from_millis(3);
        let flood = Flood {
            kind: Kind::Hosts,
            size: 1_400,
            pause: pause_of_flood,
            datagrams: 10_000,
            time,
            seed: 99,
        };
        scope.spawn(move || flood.send(listen));
        for number in 1..=count {
            stage.write_config(&texts[number % texts.len()])?;
            stage.reload()?;
            std::thread::sleep((start + pause * number as u32).saturating_duration_since(Instant::now()));
        }
        Ok::<_, Error>(())
    })?;
    let took = start.elapsed().as_secs_f64();
    let before = stage.child.cpu_time()?;
    std::thread::sleep(Duration::from_secs(3));
    let after = stage.child.cpu_time()?.saturating_sub(before).as_secs_f64();
    stage.notes.push(format!("{after:.1} s of CPU in the 3 s behind the storm"));
    stage.finish(format!("{count} in {took:.0} s, {:.1} million metrics", metrics as f64 / 1e6))
}
