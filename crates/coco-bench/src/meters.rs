//! What is read before a run and behind it: time, CPU time, context switches.

use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use nix::unistd::Pid;
use serde::Serialize;

use crate::child::Child;
use crate::error::{Doing, Error};
use crate::procfs::{self, Switches};

/// The meters at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Meters {
    at: Instant,
    /// Of what is measured.
    cpu: Duration,
    switches: Switches,
    /// CPU time of the machine that is neither the subject's nor this benchmark's.
    foreign: Duration,
}

/// What happened beside a run, a second: how quiet the machine was, and how often the subject was woken.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Beside {
    /// Context switches of the subject that had nothing more to do.
    pub(crate) voluntary_switches: f64,
    /// Those of the subject that had, and had to leave the processor to someone else.
    pub(crate) involuntary_switches: f64,
    /// Cores that others kept busy.
    pub(crate) foreign_cores: f64,
}

impl Meters {
    /// Reads them. `helpers` are processes of this benchmark that are still there.
    pub(crate) fn read(subject: &Child, helpers: &[&Child]) -> Result<Self, Error> {
        let cpu = subject.cpu_time()?;
        let helpers = helpers.iter().map(|helper| helper.cpu_time()).sum::<Result<Duration, Error>>()?;
        let ours = cpu + helpers + procfs::cpu_time(Pid::this())? + ended_children()?;
        Ok(Self {
            at: Instant::now(),
            cpu,
            switches: procfs::switches(subject.pid())?,
            foreign: procfs::machine_cpu_time()?.saturating_sub(ours),
        })
    }

    /// CPU time that the subject has used since.
    pub(crate) fn cpu_since(&self, start: &Self) -> Duration {
        self.cpu.saturating_sub(start.cpu)
    }

    /// Seconds since.
    pub(crate) fn seconds_since(&self, start: &Self) -> f64 {
        (self.at - start.at).as_secs_f64()
    }

    /// What happened since.
    pub(crate) fn beside_since(&self, start: &Self) -> Beside {
        let seconds = self.seconds_since(start);
        let a_second = |end: u64, start: u64| end.saturating_sub(start) as f64 / seconds;
        Beside {
            voluntary_switches: a_second(self.switches.voluntary, start.switches.voluntary),
            involuntary_switches: a_second(self.switches.involuntary, start.switches.involuntary),
            foreign_cores: self.foreign.saturating_sub(start.foreign).as_secs_f64() / seconds,
        }
    }
}

/// CPU time of this benchmark's processes that have ended.
fn ended_children() -> Result<Duration, Error> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).doing(|| "read the CPU time of children".to_owned())?;
    let time = usage.user_time() + usage.system_time();
    Ok(Duration::from_micros(time.num_microseconds().unsigned_abs()))
}
