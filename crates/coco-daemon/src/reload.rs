//! Reading the configuration again while the daemon runs.

use std::fmt::Display;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use coco_core::config::{Configuration, Key, Program, Written};
use coco_core::placement::canary::Percentage;
use coco_core::tier::Fingerprint;
use tracing::{error, info, warn};

use crate::command_line::LoadError;
use crate::counters::{Definition, Snapshot, View};
use crate::http::{Response, body};
use crate::logging;
use crate::service_manager;
use crate::signals::Signal;

/// How often the configuration was read again, with what success, and which is in force.
#[derive(Debug)]
pub struct Reloads {
    done: AtomicU64,
    failed: AtomicU64,
    last_failed: AtomicBool,
    /// When it was last read again, and what came of it, for people.
    last: Mutex<Option<(SystemTime, String)>>,
    program: Program,
    in_force: Mutex<InForce>,
}

/// The configuration that a program goes by.
#[derive(Clone, Debug)]
struct InForce {
    /// As TOML.
    text: Arc<str>,
    fingerprint: Fingerprint,
    /// When it was read.
    since: SystemTime,
}

impl InForce {
    fn new(text: String, fingerprint: Fingerprint) -> Self {
        Self { text: text.into(), fingerprint, since: SystemTime::now() }
    }
}

macro_rules! rows {
    ($program:literal) => {
        [
            Definition::counter(
                &[$program, "reloads"],
                "Times that the configuration was read again and taken over.",
            ),
            Definition::counter(
                &[$program, "errors", "reload"],
                "Times that the configuration was read again and refused. The log says why; nothing changes.",
            ),
            Definition::gauge(
                &[$program, "config", "last_reload_successful"],
                "0 if the configuration was refused when it was last read again, otherwise 1.",
            ),
            Definition::gauge(
                &[$program, "config", "last_reload_success_timestamp_seconds"],
                "When the configuration in force was read, in Unix seconds.",
            ),
            Definition::gauge(
                &[$program, "config_info", "{fingerprint}"],
                "1 for the fingerprint of the tiers in force.",
            )
            .only(View::Prometheus),
            Definition::gauge(&[$program, "build_info", "{version}"], "1 for the version that runs.")
                .only(View::Prometheus),
        ]
    };
}

static COCO: [Definition; 6] = rows!("coco");
static NOODLE: [Definition; 6] = rows!("noodle");

/// The rows of a program's configuration and version.
pub fn definitions(program: Program) -> &'static [Definition; 6] {
    match program {
        Program::Coco => &COCO,
        Program::Noodle => &NOODLE,
    }
}

impl Reloads {
    /// None yet, so that the configuration is the one that the program was started with.
    pub fn new<C: Configuration>(started: &C) -> Self {
        Self {
            done: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            last_failed: AtomicBool::new(false),
            last: Mutex::default(),
            program: C::PROGRAM,
            in_force: Mutex::new(InForce::new(started.to_toml(), started.tiers().fingerprint())),
        }
    }

    /// When the configuration was last read again, and what that changed, or why it was refused; `None` before.
    pub fn last(&self) -> Option<(SystemTime, String)> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, news: String) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((SystemTime::now(), news));
    }

    fn in_force(&self) -> MutexGuard<'_, InForce> {
        self.in_force.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer of `/config`: the configuration in force, as TOML.
    pub fn answer_config(&self) -> Response {
        let text = Arc::clone(&self.in_force().text);
        body::text("application/toml; charset=utf-8", text.to_string())
    }

    /// Takes over what `load` reads, and says how that went.
    ///
    /// `started` is what the daemon was started with: keys that [need a restart](Configuration::needs_restart) and differ from
    /// it are named in a warning. `take_over` changes everything else, or nothing if it says why not. `status` is what
    /// the service manager is told then.
    pub async fn reload<C: Configuration, E: Display>(
        &self,
        started: &C,
        load: impl AsyncFnOnce() -> Result<C, LoadError>,
        take_over: impl AsyncFnOnce(C) -> Result<Changes, E>,
        status: impl FnOnce() -> String,
    ) {
        service_manager::reloading();
        self.try_to_reload(started, load, take_over).await;
        // Well or not: it serves as before.
        service_manager::ready(&status());
    }

    async fn try_to_reload<C: Configuration, E: Display>(
        &self,
        started: &C,
        load: impl AsyncFnOnce() -> Result<C, LoadError>,
        take_over: impl AsyncFnOnce(C) -> Result<Changes, E>,
    ) {
        let refused = |problem: &dyn Display| {
            self.failed.fetch_add(1, Ordering::Relaxed);
            self.last_failed.store(true, Ordering::Relaxed);
            // One line of the log, however many problems there are.
            let problem = problem.to_string().replace('\n', "; ");
            error!(%problem, "SIGHUP: the configuration is refused, nothing changes");
            self.note(format!("refused, nothing changed: {problem}"));
        };
        let config = match load().await {
            Ok(config) => config,
            Err(problem) => return refused(&problem),
        };
        let fixed: Vec<_> = config.needs_restart(started).into_iter().map(Key::path).collect();
        let log = config.log().clone();
        let new = config.tiers().fingerprint();
        let in_force = config.in_force(started);
        let warnings = config.file().warnings.clone();
        match take_over(config).await {
            Ok(Changes { old, added, removed, begin_anew }) => {
                warnings.iter().for_each(|warning| warn!("{warning}"));
                begin_anew.iter().for_each(|(tier, share)| {
                    warn!(%tier, "another placement: {share} of the hosts begin anew on targets that did not have them");
                });
                let keys = self.changed(&in_force).join(" ");
                info!(%old, %new, keys, added = added.join(" "), removed = removed.join(" "), "reloaded");
                self.note(news_of(&added, &removed, old == new));
                if !fixed.is_empty() {
                    warn!(keys = fixed.join(" "), "these keys need a restart, and stay as they were");
                }
                logging::change(&log);
                *self.in_force() = InForce::new(in_force, new);
                self.last_failed.store(false, Ordering::Relaxed);
                self.done.fetch_add(1, Ordering::Relaxed);
            }
            Err(problem) => refused(&problem),
        }
    }

    /// The keys in which another configuration differs from the one in force, as far as the program reads them.
    fn changed(&self, new: &str) -> Vec<String> {
        let old = Arc::clone(&self.in_force().text);
        Written::parse(&old).changed(&Written::parse(new), self.program)
    }

    /// Adds what was counted, and what is in force.
    pub fn add_to(&self, snapshot: &mut Snapshot) {
        let [done, failed, successful, since, fingerprint, version] = definitions(self.program);
        let in_force = self.in_force().clone();
        snapshot.add(done, &[], self.done.load(Ordering::Relaxed));
        snapshot.add(failed, &[], self.failed.load(Ordering::Relaxed));
        snapshot.add(successful, &[], u64::from(!self.last_failed.load(Ordering::Relaxed)));
        let seconds = in_force.since.duration_since(UNIX_EPOCH).unwrap_or_default();
        snapshot.add(since, &[], seconds.as_secs());
        snapshot.add(fingerprint, &[("fingerprint", &in_force.fingerprint.to_string().into())], 1);
        snapshot.add(version, &[("version", &env!("CARGO_PKG_VERSION").into())], 1);
    }
}

/// What a reload came to, in a sentence.
fn news_of(added: &[String], removed: &[String], is_same: bool) -> String {
    let named = |what: &str, targets: &[String]| match targets {
        [] => String::new(),
        targets => format!(", {what}: {}", targets.join(" ")),
    };
    let tiers = if is_same { "the tiers stay as they were" } else { "other tiers" };
    format!("taken over, {tiers}{}{}", named("added", added), named("removed", removed))
}

/// The changes of a reload, for the log.
#[derive(Debug)]
pub struct Changes {
    /// The fingerprint of the tiers until then.
    pub old: Fingerprint,
    /// Tiers whose hosts now lie on other targets, with the part of the hosts of which that is so.
    pub begin_anew: Vec<(String, Percentage)>,
    /// Targets that are new, each as `tier/target`.
    pub added: Vec<String>,
    /// Targets that are gone.
    pub removed: Vec<String>,
}

/// Reloads whenever a signal says so, until one says stop.
///
/// Signals during a reload lead to one more, since the file may have changed behind it. A stop does not wait for a
/// reload: it is dropped. `next` may be dropped before it is ready.
pub async fn until_stop(mut next: impl AsyncFnMut() -> Signal, mut reload: impl AsyncFnMut()) {
    let mut again = false;
    loop {
        if !again && next().await == Signal::Stop {
            return;
        }
        again = false;
        let mut reloading = pin!(reload());
        loop {
            tokio::select! {
                biased;
                signal = next() => match signal {
                    Signal::Stop => return,
                    Signal::Reload => again = true,
                },
                () = &mut reloading => break,
            }
        }
    }
}

/// Waits until `drain` is over, or until a signal says stop once more. It is too late for a reload.
pub async fn drain(drain: Duration, mut next: impl AsyncFnMut() -> Signal) {
    let hurried = async {
        while next().await != Signal::Stop {
            warn!("SIGHUP: it is stopping, nothing changes");
        }
    };
    let _ = tokio::time::timeout(drain, hurried).await;
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::sync::mpsc::unbounded_channel;

    use super::*;

    /// Runs [`until_stop`] with one signal and with those that come while the first, second ... reload is under way.
    /// Returns how many reloads were finished.
    fn run(first: Signal, meanwhile: &[&[Signal]]) -> usize {
        let (send, mut receive) = unbounded_channel();
        send.send(first).unwrap();
        let (begun, finished) = (Cell::new(0), Cell::new(0));
        let next = async || receive.recv().await.unwrap();
        let reload = async || {
            let signals = meanwhile.get(begun.replace(begun.get() + 1)).copied().unwrap_or_default();
            signals.iter().for_each(|signal| send.send(*signal).unwrap());
            // Long enough for all of them to be taken.
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            finished.set(finished.get() + 1);
            send.send(Signal::Stop).unwrap();
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(until_stop(next, reload));
        finished.get()
    }

    #[test]
    fn signals_during_a_reload_lead_to_one_more() {
        use Signal::{Reload, Stop};
        assert_eq!(run(Stop, &[]), 0);
        assert_eq!(run(Reload, &[]), 1);
        assert_eq!(
            run(Reload, &[&[Reload]]),
            1,
            "a stop that comes with the end of the first is not put off"
        );
        assert_eq!(run(Reload, &[&[Reload, Reload, Stop]]), 0, "a stop does not wait for a reload");
    }

    #[test]
    fn a_drain_ends_with_its_time_or_with_another_stop() {
        let (send, mut receive) = unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            [Signal::Reload, Signal::Stop].into_iter().for_each(|signal| send.send(signal).unwrap());
            drain(Duration::from_secs(24 * 3600), async || receive.recv().await.unwrap()).await;
            assert!(receive.is_empty(), "a reload ends nothing");
            drain(Duration::from_millis(1), async || receive.recv().await.unwrap()).await;
        });
    }
}
