//! Processes that are measured. None outlives the benchmark, however that ends.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::cpus;
use crate::error::{Doing, Error};
use crate::procfs;

/// How much of what a process said is shown when it failed.
const SHOWN_LINES: usize = 20;

/// How long a process may take to come up, and to stop.
const PATIENCE: Duration = Duration::from_secs(15);

/// A process that is killed when this is dropped.
pub(crate) struct Child {
    name: String,
    process: std::process::Child,
    output: PathBuf,
}

impl Child {
    /// Starts a program whose output goes to a file. To be called on the main thread: the program ends with the
    /// thread that started it.
    pub(crate) fn spawn<A: AsRef<OsStr>>(
        name: &str,
        program: &Path,
        arguments: impl IntoIterator<Item = A>,
        output: PathBuf,
    ) -> Result<Self, Error> {
        Self::spawn_on(&[], name, program, arguments, output)
    }

    /// The same on these CPUs; on those of this thread if there are none.
    pub(crate) fn spawn_on<A: AsRef<OsStr>>(
        cpus: &[usize],
        name: &str,
        program: &Path,
        arguments: impl IntoIterator<Item = A>,
        output: PathBuf,
    ) -> Result<Self, Error> {
        Self::spawn_within(cpus, name, program, arguments, &[], None, output)
    }

    /// The same with more in its environment, and with standard output and standard error that lead elsewhere.
    pub(crate) fn spawn_within<A: AsRef<OsStr>>(
        cpus: &[usize],
        name: &str,
        program: &Path,
        arguments: impl IntoIterator<Item = A>,
        environment: &[(&str, String)],
        ends: Option<[Stdio; 2]>,
        output: PathBuf,
    ) -> Result<Self, Error> {
        let start = || {
            let file = File::create(&output)?;
            let [stdout, stderr] = match ends {
                Some(ends) => ends,
                None => [file.try_clone()?.into(), file.into()],
            };
            Command::new(std::env::current_exe()?)
                .arg("hold")
                .args(cpus.iter().map(|cpu| format!("--cpu={cpu}")))
                .arg(program)
                .args(arguments)
                .envs(environment.iter().map(|(name, value)| (name, value)))
                .stdin(Stdio::null())
                .stdout(stdout)
                .stderr(stderr)
                .spawn()
        };
        let process = start().doing(|| format!("start {}", program.display()))?;
        Ok(Self { name: name.to_owned(), process, output })
    }

    /// Its number.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.process.id() as i32)
    }

    /// CPU time used since it was started.
    pub(crate) fn cpu_time(&self) -> Result<Duration, Error> {
        procfs::cpu_time(self.pid())
    }

    /// An error if it has ended.
    pub(crate) fn alive(&mut self) -> Result<(), Error> {
        match self.process.try_wait().doing(|| format!("look after {}", self.name))? {
            None => Ok(()),
            Some(status) => Err(Error::Ended { name: self.name.clone(), status, output: self.said() }),
        }
    }

    /// Waits until `ready` finds what it looks for.
    pub(crate) fn wait_for<T>(
        &mut self,
        mut ready: impl FnMut(&Self) -> Result<Option<T>, Error>,
    ) -> Result<T, Error> {
        let start = Instant::now();
        loop {
            self.alive()?;
            if let Some(found) = ready(self)? {
                return Ok(found);
            }
            if start.elapsed() > PATIENCE {
                let (name, seconds) = (self.name.clone(), PATIENCE.as_secs());
                return Err(Error::NotReady { name, seconds, output: self.said() });
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Lets none of its threads run until [`resume`](Self::resume).
    pub(crate) fn pause(&self) -> Result<(), Error> {
        kill(self.pid(), Signal::SIGSTOP).doing(|| format!("pause {}", self.name))
    }

    /// Lets them go on.
    pub(crate) fn resume(&self) -> Result<(), Error> {
        kill(self.pid(), Signal::SIGCONT).doing(|| format!("resume {}", self.name))
    }

    /// Asks it to stop. Returns how it ended, `None` if it had to be killed.
    pub(crate) fn stop(mut self) -> Result<Option<ExitStatus>, Error> {
        kill(self.pid(), Signal::SIGTERM).doing(|| format!("stop {}", self.name))?;
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            let status = self.process.try_wait().doing(|| format!("wait for {}", self.name))?;
            if status.is_some() {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(None)
    }

    fn said(&self) -> String {
        let output = std::fs::read(&self.output).unwrap_or_default();
        let text = String::from_utf8_lossy(&output);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended; then there is nothing to kill.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs a program to its end and returns what it said.
pub(crate) fn output<A: AsRef<OsStr>>(
    program: &Path,
    arguments: impl IntoIterator<Item = A>,
) -> Result<String, Error> {
    let run = || Command::new(std::env::current_exe()?).arg("hold").arg(program).args(arguments).output();
    let output = run().doing(|| format!("run {}", program.display()))?;
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    if output.status.success() {
        return Ok(said);
    }
    Err(Error::Ended { name: program.display().to_string(), status: output.status, output: said })
}

/// Becomes `program` on these CPUs, which the kernel kills when the process that started this one dies.
pub(crate) fn hold(cpus: &[usize], program: &OsStr, arguments: &[impl AsRef<OsStr>]) -> Result<(), Error> {
    if !cpus.is_empty() {
        cpus::pin(cpus)?;
    }
    // Kept across exec, prctl(2).
    set_pdeathsig(Signal::SIGKILL).doing(|| "tie a process to its parent".to_owned())?;
    Err(Command::new(program).args(arguments).exec()).doing(|| format!("start {}", program.to_string_lossy()))
}
