//! The real keepalived, with `etc/keepalived/coco.conf`.

use std::net::Ipv4Addr;
use std::process::Command;

use crate::collectd::path_with_sbin;
use crate::directory::Directory;
use crate::namespace::Host;
use crate::process::Process;
use crate::repository;
use crate::text::replaced;

/// Whoever has it is on the host that agents send to.
#[derive(Debug)]
pub struct Keepalived {
    process: Process,
    _directory: Directory,
}

impl Keepalived {
    /// Starts it on a host, for an address of its network.
    ///
    /// # Panics
    /// When it is missing, or has something to say against the file.
    #[must_use]
    pub fn start(host: &Host, address: Ipv4Addr, priority: &str) -> Self {
        let sample =
            std::fs::read_to_string(repository().join("etc/keepalived/coco.conf")).expect("a sample");
        let config = replaced(
            &sample,
            &[("    192.0.2.10/32", &format!("    {address}/32")), ("priority 150", priority)],
        );
        let directory = Directory::new("keepalived");
        let path = directory.write("keepalived.conf", &config);
        let at = |name: &str| directory.path().join(name);
        let mut command = Command::new("keepalived");
        command.env("PATH", path_with_sbin()).args([
            "--dont-fork",
            "--log-console",
            "--log-detail",
            "--vrrp",
        ]);
        command.args(["--no-syslog", "--use-file"]).arg(path);
        command.arg("--pid").arg(at("pid")).arg("--vrrp_pid").arg(at("vrrp-pid"));
        let mut process = host.run(|| Process::start("keepalived", directory.path(), &mut command));
        process.wait_for("a start", |process| said(process).contains("Startup complete").then_some(()));
        let objections: Vec<_> =
            said(&process).lines().filter(|line| line.contains(": Line ")).map(str::to_owned).collect();
        assert!(objections.is_empty(), "{objections:?}");
        Self { process, _directory: directory }
    }

    /// Waits until it has the address.
    ///
    /// # Panics
    /// When it doesn't get it.
    pub fn wait_for_address(&mut self, times: usize) {
        self.wait_for("Entering MASTER STATE", times);
    }

    /// Waits until it has given the address away.
    ///
    /// # Panics
    /// When it keeps it.
    pub fn wait_to_give_it_away(&mut self, times: usize) {
        self.wait_for("removing VIPs", times + 1);
    }

    fn wait_for(&mut self, line: &str, times: usize) {
        self.process.wait_for(format_args!("{line}, for the {times}. time"), |process| {
            (said(process).matches(line).count() >= times).then_some(())
        });
    }
}

fn said(process: &Process) -> String {
    process.stdout() + &process.stderr()
}

impl Drop for Keepalived {
    /// Its children end with it, which they don't when it is killed.
    fn drop(&mut self) {
        if !self.process.has_ended() {
            let _ = self.process.stop();
        }
    }
}
