//! Reading the configuration again while the daemon runs.

use std::collections::HashMap;
use std::fmt::Display;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use coco_core::config::{Configuration, Key, Program, Written};
use coco_core::placement::canary::Percentage;
use coco_core::tier::{Fingerprint, Moving, Step, Tier, Tiers};
use tracing::{error, info, warn};

use crate::command_line::LoadError;
use crate::counters::{Definition, Snapshot, View};
use crate::http::{Response, body};
use crate::logging;
use crate::service_manager;
use crate::signals::Signal;
use crate::tiers::InForceSince;

/// Characters of why a configuration was refused that are shown.
const LONGEST_PROBLEM: usize = 2000;

/// The count of reloads by their success, and the configuration that is in force.
#[derive(Debug)]
pub struct Reloads {
    /// Those before the file is read, so that whoever asked before one began knows that it reads what was there.
    begun: AtomicU64,
    done: AtomicU64,
    failed: AtomicU64,
    /// When it was last read again, and what came of it, for people.
    last: Mutex<Option<(SystemTime, String)>>,
    /// Why the last one was refused, if it was.
    problem: Mutex<Option<Arc<str>>>,
    program: Program,
    in_force: Mutex<InForce>,
}

/// The configuration that a program goes by.
#[derive(Debug, Clone)]
struct InForce {
    /// As TOML.
    text: Arc<str>,
    tiers: Tiers,
    /// When it was read.
    since: SystemTime,
    /// By tier, when what places its hosts was taken over, by the clock that is shown and by one that never jumps.
    placed_since: HashMap<Box<str>, (SystemTime, Instant)>,
}

impl InForce {
    fn new(text: String, tiers: Tiers, before: Option<&Self>) -> Self {
        let now = (SystemTime::now(), Instant::now());
        let since = |tier: &Tier| {
            let before = before.and_then(|before| {
                let old = before.tiers.iter().find(|old| old.name() == tier.name())?;
                before.placed_since.get(tier.name()).filter(|_| is_placed_as(old, tier))
            });
            (tier.name().into(), before.copied().unwrap_or(now))
        };
        Self { text: text.into(), since: now.0, placed_since: tiers.iter().map(since).collect(), tiers }
    }
}

/// Whether hosts are placed by one tier as by another, and as far on their way.
fn is_placed_as(one: &Tier, other: &Tier) -> bool {
    let headway = |tier: &Tier| tier.moving().map(Moving::headway);
    headway(one) == headway(other) && matches!(Step::between(one, other), Step::None | Step::Safe)
}

macro_rules! rows {
    ($program:literal) => {
        [
            Definition::counter(
                &[$program, "reloads"],
                "Times that the configuration was read again and taken over.",
            ),
            Definition::counter(
                &[$program, "reloads.begun"],
                "Times that the configuration was about to be read again. Each counts as one of the other two once it is known what came of it.",
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

static COCO: [Definition; 7] = rows!("coco");
static NOODLE: [Definition; 7] = rows!("noodle");

/// The rows of a program's configuration and version.
pub fn definitions(program: Program) -> &'static [Definition; 7] {
    match program {
        Program::Coco => &COCO,
        Program::Noodle => &NOODLE,
    }
}

impl Reloads {
    /// None yet, so that the configuration is the one that the program was started with.
    pub fn new<C: Configuration>(started: &C) -> Self {
        Self {
            begun: AtomicU64::new(0),
            done: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            last: Mutex::default(),
            problem: Mutex::new(None),
            program: C::PROGRAM,
            in_force: Mutex::new(InForce::new(started.to_toml(), started.tiers().clone(), None)),
        }
    }

    /// When the configuration was last read again, and what that changed, or why it was refused; `None` before.
    pub fn last(&self) -> Option<(SystemTime, String)> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note_news(&self, news: String) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((SystemTime::now(), news));
    }

    fn in_force(&self) -> MutexGuard<'_, InForce> {
        self.in_force.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why the configuration was refused when it was last read again, if it was.
    pub fn problem(&self) -> Option<Arc<str>> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_problem(&self, problem: Option<&str>) {
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = problem.map(Arc::from);
    }

    /// Since when the hosts of a tier are placed as this says: since now, where something else is in force still.
    pub fn placed_since(&self, tier: &Tier) -> InForceSince {
        let in_force = self.in_force();
        let known = in_force.tiers.iter().find(|known| known.name() == tier.name());
        let since = known.filter(|known| is_placed_as(known, tier));
        let since = since.and_then(|_| in_force.placed_since.get(tier.name()).copied());
        let (time, instant) = since.unwrap_or_else(|| (SystemTime::now(), Instant::now()));
        InForceSince { time: seconds(&time), age: instant.elapsed().as_secs() }
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
            // One line of the log, however many problems there are.
            let problem = problem.to_string().replace('\n', "; ");
            let shown: String = problem.chars().take(LONGEST_PROBLEM).collect();
            self.set_problem(Some(&shown));
            self.failed.fetch_add(1, Ordering::Release);
            error!(%problem, "SIGHUP: the configuration is refused, nothing changes");
            self.note_news(format!("refused, nothing changed: {problem}"));
        };
        self.begun.fetch_add(1, Ordering::AcqRel);
        let config = match load().await {
            Ok(config) => config,
            Err(problem) => return refused(&problem),
        };
        let step = self.in_force().tiers.check_step(config.tiers());
        if let Err(problem) = step {
            return refused(&problem);
        }
        let fixed: Vec<_> = config.needs_restart(started).into_iter().map(Key::path).collect();
        let log = config.log().clone();
        let tiers = config.tiers().clone();
        let in_force = config.in_force(started);
        let warnings = config.file().warnings.clone();
        match take_over(config).await {
            Ok(Changes { old, added, removed, begin_anew }) => {
                warnings.iter().for_each(|warning| warn!("{warning}"));
                begin_anew.iter().for_each(|(tier, share)| {
                    warn!(%tier, "another placement: {share} of the hosts begin anew on targets that did not have them");
                });
                let (new, keys) = (tiers.fingerprint(), self.changed(&in_force));
                info!(
                    %old, %new, keys = keys.join(" "), added = added.join(" "), removed = removed.join(" "), "reloaded"
                );
                self.note_news(news_of(&keys, &added, &removed, old == new));
                if !fixed.is_empty() {
                    warn!(keys = fixed.join(" "), "these keys need a restart, and stay as they were");
                }
                logging::change(&log);
                let mut now = self.in_force();
                *now = InForce::new(in_force, tiers, Some(&now));
                drop(now);
                self.set_problem(None);
                self.done.fetch_add(1, Ordering::Release);
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
        let [done, begun, failed, successful, since, fingerprint, version] = definitions(self.program);
        let in_force = self.in_force().clone();
        snapshot.add(done, &[], self.done.load(Ordering::Acquire));
        snapshot.add(failed, &[], self.failed.load(Ordering::Acquire));
        // Behind the ends: there is none of one that has not begun.
        snapshot.add(begun, &[], self.begun.load(Ordering::Acquire));
        snapshot.add(successful, &[], u64::from(self.problem().is_none()));
        snapshot.add(since, &[], seconds(&in_force.since));
        snapshot.add(fingerprint, &[("fingerprint", &in_force.tiers.fingerprint().to_string().into())], 1);
        snapshot.add(version, &[("version", &env!("CARGO_PKG_VERSION").into())], 1);
    }
}

/// A sentence on the changes that a reload made.
fn news_of(keys: &[String], added: &[String], removed: &[String], is_same: bool) -> String {
    let named = |what: &str, names: &[String]| match names {
        [] => String::new(),
        names => format!(", {what}: {}", names.join(" ")),
    };
    let tiers = if is_same { "the tiers stay as they were" } else { "other tiers" };
    let keys = named("changed", keys);
    format!("taken over, {tiers}{keys}{}{}", named("added", added), named("removed", removed))
}

/// In Unix seconds.
fn seconds(time: &SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
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

    use coco_core::config::CocoConfig;
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

    /// A tier of which hosts leave one target for the other.
    fn moving(both: &str, new: &str) -> CocoConfig {
        let text = format!(
            "[tiers.t]\nhash = 'rendezvous'\nmigration = {{ both = '{both}', new = '{new}' }}\n\
             targets = ['a:1', {{ address = 'b:1', state = 'draining' }}]"
        );
        CocoConfig::parse(&text).unwrap()
    }

    #[test]
    fn a_step_that_is_too_long_is_refused_before_anything_changes() {
        let started = moving("5%", "0%");
        let reloads = Reloads::new(&started);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let taken = Cell::new(0);
        let reload = |config: CocoConfig| {
            let take_over = async |config: CocoConfig| -> Result<Changes, LoadError> {
                taken.set(taken.get() + 1);
                let old = config.tiers.fingerprint();
                Ok(Changes { old, begin_anew: Vec::new(), added: Vec::new(), removed: Vec::new() })
            };
            let counted = |count: &AtomicU64| count.load(Ordering::Relaxed);
            let ends = counted(&reloads.done) + counted(&reloads.failed);
            let load = async || {
                assert_eq!(counted(&reloads.begun), ends + 1, "it has begun before anything is read");
                Ok(config)
            };
            runtime.block_on(reloads.try_to_reload(&started, load, take_over));
            (taken.get(), counted(&reloads.done), counted(&reloads.failed))
        };
        assert_eq!(reload(moving("100%", "10%")), (0, 0, 1));
        assert!(reloads.problem().unwrap().contains("raise both to \"10%\" or more first"));
        assert_eq!(reload(moving("100%", "5%")), (1, 1, 1));
        assert_eq!(reloads.problem(), None);
        // The next one is held against the configuration in force.
        assert_eq!(reload(moving("1%", "0%")), (1, 1, 2));
        assert_eq!(reload(moving("100%", "10%")), (2, 2, 2));
    }

    /// A step begins the time anew, and so does what is not in force yet; another key, or another way to say it, does not.
    #[test]
    fn a_tier_is_placed_since_its_last_step() {
        let long_ago = (UNIX_EPOCH + Duration::from_secs(7), Instant::now() - Duration::from_secs(100));
        let old = |config: &CocoConfig| {
            let mut old = InForce::new(String::new(), config.tiers.clone(), None);
            old.placed_since.insert("t".into(), long_ago);
            old
        };
        let tier = |config: &CocoConfig| config.tiers.get(0).unwrap().clone();
        let plain = |more: &str| {
            CocoConfig::parse(&format!("[tiers.t]\nhash = 'rendezvous'\ntargets = ['a:1', 'b:1']\n{more}"))
                .unwrap()
        };
        let time_of = |before: &CocoConfig, after: &CocoConfig| {
            let reloads = Reloads::new(before);
            *reloads.in_force() = InForce::new(String::new(), after.tiers.clone(), Some(&old(before)));
            let since = reloads.placed_since(&tier(after));
            assert_eq!(since.time == 7, since.age >= 100);
            since.time
        };
        assert_eq!(time_of(&plain(""), &plain("[api]\nbind = '127.0.0.1:1'")), 7);
        assert_eq!(time_of(&moving("5%", "0%"), &moving("5.00%", "0%")), 7);
        assert_ne!(time_of(&moving("5%", "0%"), &moving("6%", "0%")), 7);
        assert_ne!(time_of(&plain(""), &moving("0%", "0%")), 7);
        let reloads = Reloads::new(&plain(""));
        reloads.in_force().placed_since.insert("t".into(), long_ago);
        assert_eq!(reloads.placed_since(&tier(&plain(""))).time, 7);
        assert_ne!(reloads.placed_since(&tier(&moving("5%", "0%"))).time, 7);
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
