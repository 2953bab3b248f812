//! The routes that all daemons have: `/healthz`, `/lookup`, `/debug/vars`, `/metrics` and `/config`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use coco_core::config::{Program, duration};
use coco_core::text;
use coco_core::tier::Tiers;
use hyper::StatusCode;
use serde_json::{Map, Value};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::counters::Snapshot;
use crate::http::shared::UNTAKEN;
use crate::http::{Answer, Encoding, Refusals, Rendered, Request, Response, Route, Router, Shared, body};
use crate::logging;
use crate::lookup::Lookup;
use crate::reload::Reloads;
use crate::status::{History, Mood, Numbers, Page, Section, Shown, page};
use crate::vars;

/// The state of a daemon that the routes of all daemons look at.
pub trait Daemon: Send + Sync + 'static {
    /// Which one it is.
    const PROGRAM: Program;

    /// Its version.
    const VERSION: &'static str;

    /// The part that all daemons have.
    fn common(&self) -> &Common;

    /// The tiers in force.
    fn tiers(&self) -> Arc<Tiers>;

    /// Adds what it counts itself.
    fn add_to(&self, snapshot: &mut Snapshot);

    /// Why no more should be asked of it, in a word or two; none while all is well.
    fn trouble(&self) -> Option<&'static str>;

    /// The last minutes of some of its counters.
    fn history(&self) -> &History;

    /// The sections of its status page, made of the numbers of `/debug/vars`. One that all daemons have is there
    /// already.
    fn sections(&self, numbers: Numbers<'_>) -> Vec<Section>;

    /// The hosts that a search by a part of their names finds. It may take its time: it runs on a thread of its own.
    fn find(&self, name: &[u8]) -> Section;

    /// Facts for `/healthz` beside those that all daemons tell.
    fn facts(&self) -> Map<String, Value> {
        Map::new()
    }
}

/// The part of a daemon's state that all daemons have.
pub struct Common {
    /// The counts of `/lookup`.
    pub lookup: Lookup,
    /// The count of clients that were told to come again.
    pub refusals: Arc<Refusals>,
    /// The reloads so far.
    pub reloads: Arc<Reloads>,
    /// Set when the process is about to end: each answer is the last of its connection then.
    pub leaving: Arc<AtomicBool>,
    vars: View,
    metrics: View,
    page: Shared,
    /// Places for searches for hosts.
    searches: Semaphore,
    /// Bytes of what they have found that clients have not taken yet.
    untaken: Arc<AtomicUsize>,
    started: Instant,
}

/// A view for all who wait for it, by the encoding that they take.
#[derive(Default)]
struct View {
    plain: Shared,
    gzip: Shared,
}

/// Searches of the status page at a time. Any other is told to come again: a browser does so by itself.
const SEARCHES: usize = 2;

impl Common {
    /// Nothing asked yet.
    pub fn new(reloads: Arc<Reloads>, leaving: Arc<AtomicBool>) -> Self {
        Self {
            lookup: Lookup::new(),
            refusals: Arc::default(),
            reloads,
            leaving,
            vars: View::default(),
            metrics: View::default(),
            page: Shared::new(),
            searches: Semaphore::new(SEARCHES),
            untaken: Arc::default(),
            started: Instant::now(),
        }
    }

    /// Whether the process is about to end.
    pub fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed)
    }
}

/// A table with the routes of all daemons.
pub fn router<D: Daemon>(daemon: Arc<D>) -> Router<D> {
    let (leaving, refusals) = (Arc::clone(&daemon.common().leaving), Arc::clone(&daemon.common().refusals));
    Router::new(program_of::<D>(), D::VERSION, daemon)
        .routes([
            Route::new("/lookup", "/lookup?name=HOST: the target of each tier that owns a host.", lookup),
            Route::new("/debug/vars", "Counters and gauges as JSON, for collectd's curl_json.", debug_vars),
            Route::new("/metrics", "Counters and gauges for Prometheus.", metrics),
            Route::new("/config", "The configuration in force, defaults included.", config),
        ])
        .page(home)
        .health("200 while all is well, 503 otherwise.", healthz)
        .leaving(leaving)
        .count_refusals(refusals)
}

#[expect(clippy::needless_pass_by_value, reason = "a handler")]
fn lookup<D: Daemon>(daemon: &Arc<D>, request: Request) -> Answer {
    daemon.common().lookup.answer(&daemon.tiers(), &request).into()
}

#[expect(clippy::needless_pass_by_value, reason = "a handler")]
fn debug_vars<D: Daemon>(daemon: &Arc<D>, request: Request) -> Answer {
    viewed(daemon, &request, |common| &common.vars, |daemon| vars::debug_vars(&snapshot(daemon)))
}

#[expect(clippy::needless_pass_by_value, reason = "a handler")]
fn metrics<D: Daemon>(daemon: &Arc<D>, request: Request) -> Answer {
    viewed(daemon, &request, |common| &common.metrics, |daemon| vars::metrics(&snapshot(daemon)))
}

fn config<D: Daemon>(daemon: &Arc<D>, _: Request) -> Answer {
    daemon.common().reloads.answer_config().into()
}

/// The status page, which browsers get at `/`, with the hosts that it asks for.
#[expect(clippy::needless_pass_by_value, reason = "a handler")]
fn home<D: Daemon>(daemon: &Arc<D>, request: Request) -> Answer {
    let name = request.parameter("name").filter(|name| !name.is_empty() && name.len() <= LONGEST_NAME);
    let daemon = Arc::clone(daemon);
    Answer::later(async move {
        let mut response = match name {
            None => {
                let rendered = Arc::clone(&daemon);
                daemon.common().page.answer(move || page_of(&*rendered, None)).await
            }
            Some(name) => match daemon.common().searches.acquire().await {
                Ok(_turn) => searched(&daemon, name).await,
                Err(_) => cannot_be_shown(),
            },
        };
        page::protect(&mut response);
        response
    })
}

/// The page with what a search finds: made anew for everyone, within what clients may leave untaken.
async fn searched<D: Daemon>(daemon: &Arc<D>, name: Vec<u8>) -> Response {
    let untaken = Arc::clone(&daemon.common().untaken);
    if untaken.load(Ordering::Relaxed) > UNTAKEN {
        return body::error(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many clients are slow to take this: try again later",
        );
    }
    let daemon = Arc::clone(daemon);
    let rendered = spawn_blocking(move || page_of(&*daemon, Some(&name)).counted(untaken)).await;
    rendered.map_or_else(|_| cannot_be_shown(), Response::from)
}

/// Bytes of a name that is searched for: more than any has.
const LONGEST_NAME: usize = 1024;

fn cannot_be_shown() -> Response {
    body::error(StatusCode::INTERNAL_SERVER_ERROR, "this can't be shown")
}

fn page_of<D: Daemon>(daemon: &D, name: Option<&[u8]>) -> Rendered {
    let document = vars::document(&vars::command_line(), &snapshot(daemon));
    let found = name.map(|name| daemon.find(name));
    let page = Page {
        program: program_of::<D>(),
        version: D::VERSION,
        trouble: daemon.trouble(),
        question: "Host name, or a part of one",
        name: name.map_or_else(String::new, text::name),
        sections: found
            .into_iter()
            .chain([process(daemon)])
            .chain(daemon.sections(Numbers(&document)))
            .collect(),
        links: vec!["/tiers", "/debug/vars", "/metrics", "/config", "/healthz"],
    };
    Rendered::new(page::HTML, page.html().as_str().to_owned())
}

/// The section that all daemons have on their status page.
fn process<D: Daemon>(daemon: &D) -> Section {
    let common = daemon.common();
    let state = match daemon.trouble() {
        None => Shown::Mood(Mood::Good, "ok".to_owned()),
        Some(trouble) => Shown::Mood(Mood::Bad, trouble.to_owned()),
    };
    let reload = match common.reloads.last() {
        None => "none since the start".to_owned(),
        Some((at, news)) => {
            let ago = at.elapsed().unwrap_or_default();
            format!("{} ago: {}", seconds_of(ago), text::Line(&news))
        }
    };
    Section::new("Process")
        .fact("State", state)
        .fact("Version", Shown::text(D::VERSION))
        .fact("Up for", Shown::text(seconds_of(common.started.elapsed())))
        .fact("Fingerprint of the tiers", Shown::text(daemon.tiers().fingerprint()))
        .fact("Last reload", Shown::Text(reload))
}

/// In whole seconds, as durations are written.
fn seconds_of(duration: Duration) -> String {
    duration::format(Duration::from_secs(duration.as_secs()))
}

fn program_of<D: Daemon>() -> &'static str {
    match D::PROGRAM {
        Program::Coco => "coco",
        Program::Noodle => "noodle",
    }
}

fn healthz<D: Daemon>(daemon: &D) -> Response {
    let trouble = daemon.trouble();
    let status = if trouble.is_none() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let fingerprint = daemon.tiers().fingerprint().to_string();
    let mut health = Map::new();
    health.insert("status".to_owned(), trouble.unwrap_or("ok").into());
    health.insert("fingerprint".to_owned(), fingerprint.into());
    health.insert("pid".to_owned(), std::process::id().into());
    if let Some(problem) = daemon.common().reloads.problem() {
        health.insert("reload_refused".to_owned(), (*problem).into());
    }
    health.extend(daemon.facts());
    body::json_with_status(status, &health)
}

/// One rendering of a view for all who wait for it.
fn viewed<D: Daemon>(
    daemon: &Arc<D>,
    request: &Request,
    view: fn(&Common) -> &View,
    render: fn(&D) -> Rendered,
) -> Answer {
    let (daemon, encoding) = (Arc::clone(daemon), Encoding::of(request));
    Answer::later(async move {
        let rendered = Arc::clone(&daemon);
        let view = view(daemon.common());
        let view = match encoding {
            Encoding::Plain => &view.plain,
            Encoding::Gzip => &view.gzip,
        };
        view.answer(move || render(&rendered).encoded(encoding)).await
    })
}

fn snapshot<D: Daemon>(daemon: &D) -> Snapshot {
    let mut snapshot = Snapshot::new();
    daemon.add_to(&mut snapshot);
    let common = daemon.common();
    common.lookup.add_to(&mut snapshot, &daemon.tiers());
    common.reloads.add_to(&mut snapshot);
    logging::add_to(&mut snapshot, D::PROGRAM);
    common.refusals.add_to(&mut snapshot, D::PROGRAM);
    snapshot
}

#[cfg(test)]
mod tests {
    use coco_core::config::CocoConfig;
    use http_body_util::BodyExt;

    use serde_json::json;

    use super::*;

    struct Sick(Common, Arc<Tiers>);

    impl Daemon for Sick {
        const PROGRAM: Program = Program::Coco;
        const VERSION: &'static str = "1.2.3";

        fn common(&self) -> &Common {
            &self.0
        }

        fn tiers(&self) -> Arc<Tiers> {
            Arc::clone(&self.1)
        }

        fn add_to(&self, _: &mut Snapshot) {}

        fn trouble(&self) -> Option<&'static str> {
            self.0.is_leaving().then_some("draining")
        }

        fn history(&self) -> &History {
            unreachable!("nobody looks at the page")
        }

        fn sections(&self, _: Numbers<'_>) -> Vec<Section> {
            unreachable!("nobody looks at the page")
        }

        fn find(&self, _: &[u8]) -> Section {
            unreachable!("nobody looks at the page")
        }

        fn facts(&self) -> Map<String, Value> {
            Map::from_iter([("last_datagram_age".to_owned(), 7.into())])
        }
    }

    #[test]
    fn whoever_balances_load_sees_trouble_by_the_status() {
        let text = "[tiers.short]\ntargets = [\"10.1.1.1:25826\"]\n[listen]\nbind = \"127.0.0.1:25826\"\n";
        let config = CocoConfig::parse(text).unwrap();
        let leaving = Arc::<AtomicBool>::default();
        let common = Common::new(Arc::new(Reloads::new(&config)), Arc::clone(&leaving));
        let daemon = Sick(common, Arc::new(config.tiers.clone()));
        let ask = || {
            let (head, body) = healthz(&daemon).into_parts();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let body = runtime.block_on(body.collect()).unwrap().to_bytes();
            (head.status.as_u16(), String::from_utf8(body.to_vec()).unwrap())
        };
        let expected = |status: &str| {
            let fingerprint = config.tiers.fingerprint().to_string();
            let pid = std::process::id();
            let body =
                json!({ "status": status, "fingerprint": fingerprint, "pid": pid, "last_datagram_age": 7 });
            format!("{body}\n")
        };
        assert_eq!(ask(), (200, expected("ok")));
        leaving.store(true, Ordering::Relaxed);
        assert_eq!(ask(), (503, expected("draining")));
    }
}
