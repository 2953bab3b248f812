//! `cococtl reload`.

use std::sync::atomic::{AtomicBool, Ordering};

use coco_harness::coco::{Coco, Config};
use coco_harness::directory::Directory;
use coco_harness::nobody::Nobody;
use coco_harness::noodle::Noodle;
use coco_harness::wait::{PATIENCE, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::{Ended, cococtl};

fn moving(both: &str, new: &str) -> String {
    Config::new::<String>(&[]).text()
        + &format!(
            "[tiers.a]\nhash = 'rendezvous'\nmigration = {{ both = '{both}', new = '{new}' }}\ntargets = [\
             {{ name = 's1', address = '127.0.0.1:9' }}, {{ name = 's2', address = '127.0.0.1:10', state = 'draining' }}]\n"
        )
}

fn reload(arguments: &[&str]) -> Ended {
    cococtl([&["reload"], arguments].concat(), b"")
}

#[test]
fn what_came_of_it_is_the_exit_status() {
    let coco = Coco::start(&moving("5%", "0%"));
    let api = format!("http://{}", coco.api);
    let health = || coco.json("/healthz");
    let before = health()["fingerprint"].as_str().unwrap().to_owned();
    assert_eq!(health()["pid"], coco.process.id());

    coco.write_config(&moving("100%", "0%"));
    let ended = reload(&["--api", &api]);
    let after = health()["fingerprint"].as_str().unwrap().to_owned();
    assert_ne!(before, after);
    let told = format!("taken over: {before} became {after}\n");
    assert_eq!((ended.status, ended.stdout, ended.stderr.as_str()), (Some(0), told, ""));
    let again = reload(&["--api", &api]);
    assert_eq!((again.status, again.stdout.as_str()), (Some(0), "taken over: the tiers stay as they were\n"));

    coco.write_config(&moving("100%", "10%"));
    assert_eq!(reload(&["--api", &api]).status, Some(0));
    let running = health()["fingerprint"].clone();
    // A file with a mistake, and a step that would lose rows.
    for (text, reason) in [
        ("[tiers.a]\ntargets = 3\n".to_owned(), "tiers.a.targets: "),
        (moving("5%", "0%"), "lower new to \"5%\" or less first"),
    ] {
        coco.write_config(&text);
        let ended = reload(&["--api", &api, "--json"]);
        assert_eq!((ended.status, ended.stderr.as_str()), (Some(1), ""), "{ended:?}");
        let told = ended.json();
        assert_eq!(
            (&told["taken_over"], &told["before"], &told["after"]),
            (&false.into(), &running, &running)
        );
        let refused = told["refused"].as_str().unwrap();
        assert!(refused.contains(reason), "{refused}");
        assert_eq!(health()["reload_refused"], refused);
        let ended = reload(&["--api", &api]);
        assert_eq!((ended.status, ended.stdout), (Some(1), format!("refused, nothing changed: {refused}\n")));
    }
    coco.write_config(&moving("100%", "10%"));
    let ended = reload(&["--api", &api, "--json"]).json();
    assert_eq!((&ended["taken_over"], &ended["refused"]), (&true.into(), &Value::Null));
    assert_eq!(health().get("reload_refused"), None);
    assert_eq!(coco.json("/debug/vars")["coco"]["errors"]["reload"], 4);
    assert!(coco.stop().success());
}

/// Others have it read its configuration again all the while, so that one reload is under way whenever another is asked for.
#[test]
fn what_is_told_came_of_the_file_as_it_is_now() {
    let good = ["1%", "2%"].map(|both| moving(both, "0%"));
    let coco = Coco::start(&good[0]);
    let api = format!("http://{}", coco.api);
    let (pid, is_over) = (coco.process.id() as i32, AtomicBool::new(false));
    let next = coco.config_file().with_extension("next");
    let write = |text: &str| {
        // Nobody reads half of it.
        std::fs::write(&next, text).unwrap();
        std::fs::rename(&next, coco.config_file()).unwrap();
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                kill(Pid::from_raw(pid), Signal::SIGHUP).unwrap();
                std::thread::yield_now();
            }
        });
        let _over = Over(&is_over);
        let mut in_force = None;
        for (number, text) in good.iter().cycle().skip(1).take(6).enumerate() {
            write(&format!("surprise{number} = 1\n"));
            let ended = reload(&["--api", &api]);
            assert_eq!(ended.status, Some(1), "{ended:?}");
            assert!(ended.stdout.contains(&format!("surprise{number}")), "{ended:?}");
            write(text);
            let ended = reload(&["--api", &api, "--json"]);
            assert_eq!(ended.status, Some(0), "{ended:?}");
            let after = ended.json()["after"].clone();
            assert_ne!(in_force.replace(after.clone()), Some(after));
        }
    });
    assert!(coco.stop().success());
}

/// Says that it is over, in a panic too.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// As the unit has it: the file says where, the service manager which process.
#[test]
fn the_file_says_where_to_ask_and_the_service_manager_which_process() {
    let directory = Directory::new("reload");
    let noodle = Noodle::start(&moving("0%", "0%"));
    let pid = noodle.process.id().to_string();
    let port = noodle.address.port();
    let text = format!(
        "[tiers.a]\ntargets = ['127.0.0.1:9']\n[fetch]\nbind = ':{port}'\n[api]\nbind = '127.0.0.1:{port}'\n"
    );
    let file = directory.write("coco.conf", &text);
    let file = file.to_str().unwrap();
    for more in [&["--noodle"][..], &["--noodle", "--pid", &pid], &["--pid", &pid]] {
        let ended = reload(&[&["--config", file, "--json"], more].concat());
        assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
        assert_eq!(
            (&ended.json()["program"], &ended.json()["pid"]),
            (&"noodle".into(), &noodle.process.id().into())
        );
    }
    assert_eq!(noodle.get("/debug/vars").json()["noodle"]["reloads"], 3);
}

#[test]
fn nobody_is_told_in_the_dark() {
    let coco = Coco::start(&moving("0%", "0%"));
    let pid = coco.process.id().to_string();
    let reloads = || coco.json("/debug/vars")["coco"]["reloads"].as_u64().unwrap();
    let nobody = Nobody::tcp().address.to_string();
    let directory = Directory::new("reload");
    let plain = directory.write("coco.conf", "[tiers.a]\ntargets = ['127.0.0.1:9']\n");
    for (arguments, reason) in [
        // Which process of this machine would that be?
        (vec!["--api", "192.0.2.1:9090"], "http://192.0.2.1:9090: "),
        (vec!["--api", &nobody], "/: "),
        (vec!["--config", plain.to_str().unwrap(), "--noodle"], "fetch.bind: missing"),
    ] {
        let ended = reload(&arguments);
        assert_eq!((ended.status, ended.stdout.as_str()), (Some(2), ""), "{arguments:?}: {ended:?}");
        assert!(ended.stderr.contains(reason), "{ended:?}");
    }
    assert_eq!(reloads(), 0);
    // Whoever says which process it is has it told, seen or not.
    let ended = reload(&["--api", &nobody, "--pid", &pid]);
    assert_eq!((ended.status, ended.stdout.as_str()), (Some(2), ""));
    assert!(ended.stderr.contains(&format!("process {pid} was told all the same")), "{ended:?}");
    wait_until(PATIENCE, "it to read its configuration", || reloads() == 1);

    // Another process than the one that is asked: its counters stay.
    // Also where whoever runs this ignores hang-ups, as nohup does.
    let sleep = ["--default-signal=HUP", "sleep", "3600"];
    let mut other = std::process::Command::new("env").args(sleep).spawn().unwrap();
    let api = format!("http://{}", coco.api);
    let ended = reload(&["--api", &api, "--pid", &other.id().to_string(), "--wait", "200ms"]);
    assert_eq!((ended.status, ended.stdout.as_str()), (Some(2), ""));
    assert!(ended.stderr.contains("neither taken over nor refused within 200ms"), "{ended:?}");
    assert!(!other.wait().unwrap().success(), "SIGHUP ends it");
    let gone = reload(&["--api", &api, "--pid", &i32::MAX.to_string()]);
    assert!(gone.status == Some(2) && gone.stderr.contains("No such process"), "{gone:?}");
}
