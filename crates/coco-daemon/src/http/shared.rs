//! Views that cost time to render, one rendering for all who wait for it.
//!
//! A rendering is never older than the request that it answers: whoever asks while one is made waits for the next. When
//! nobody has asked for a while there is nothing to wait for. Those who ask on and on get renderings as often as takes a
//! hundredth of the time, and once a second at least; so what takes 10 ms and more is rendered once a second.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use tokio::time::{Instant, sleep_until};

use super::body::{self, Response};
use super::encoding::Encoding;

/// Renderings take one part in so many of the time.
const SHARE: u32 = 100;

/// So much may be rendered at once by who has not asked for long.
const AT_ONCE: Duration = Duration::from_millis(100);

/// Nobody waits longer for a rendering to begin.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Renderings of one view that clients have not taken yet, in bytes. At least four of any size may be under way.
pub const UNTAKEN: usize = 8 << 20;

/// A view as it is sent.
#[derive(Debug, Clone)]
pub struct Rendered {
    content_type: &'static str,
    bytes: Bytes,
    /// Where it depends on the client.
    encoding: Option<Encoding>,
}

impl Rendered {
    /// Bytes of a media type.
    pub fn new(content_type: &'static str, bytes: impl Into<Bytes>) -> Self {
        Self { content_type, bytes: bytes.into(), encoding: None }
    }

    /// The same for clients that take this encoding.
    #[must_use]
    pub fn encoded(self, encoding: Encoding) -> Self {
        let mut bytes = Vec::new();
        match encoding.write(&mut bytes, |out| out.write_all(&self.bytes)) {
            Ok(()) => Self { bytes: bytes.into(), encoding: Some(encoding), ..self },
            // Memory takes all that is written.
            Err(_) => self,
        }
    }

    /// The same, whose bytes are counted until the last client has taken them.
    #[must_use]
    pub fn counted(self, untaken: Arc<AtomicUsize>) -> Self {
        Self { bytes: Bytes::from_owner(Untaken::new(self.bytes, untaken)), ..self }
    }
}

impl From<Rendered> for Response {
    fn from(Rendered { content_type, bytes, encoding }: Rendered) -> Self {
        let mut response = body::bytes(StatusCode::OK, content_type, bytes);
        if let Some(encoding) = encoding {
            encoding.mark(&mut response);
        }
        response
    }
}

/// One view.
pub struct Shared {
    /// The number of renderings that were begun.
    begun: Arc<AtomicU64>,
    /// The last, and its number. Whoever holds the lock sees to the next.
    last: tokio::sync::Mutex<Option<(u64, Rendered)>>,
    budget: Arc<Mutex<Budget>>,
    untaken: Arc<AtomicUsize>,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            begun: Arc::default(),
            last: tokio::sync::Mutex::default(),
            budget: Arc::new(Mutex::new(Budget::new(Instant::now()))),
            untaken: Arc::default(),
        }
    }
}

impl Shared {
    /// A view that nobody has looked at.
    pub fn new() -> Self {
        Self::default()
    }

    /// The rendering that the first who asks after this call makes by `render`. That may take its time: it runs on a
    /// thread of its own.
    pub async fn answer(&self, render: impl FnOnce() -> Rendered + Send + 'static) -> Response {
        let before = self.begun.load(Ordering::Acquire);
        let mut last = self.last.lock().await;
        if let Some((number, rendered)) = &*last
            && *number > before
        {
            return rendered.clone().into();
        }
        let size = last.take().map_or(0, |(_, rendered)| rendered.bytes.len());
        if self.untaken.load(Ordering::Relaxed) > UNTAKEN.max(4 * size) {
            return body::error(
                StatusCode::SERVICE_UNAVAILABLE,
                "too many clients are slow to take this: try again later",
            );
        }
        let due = lock(&self.budget).due(Instant::now());
        sleep_until(due).await;
        match self.render(render).await {
            Some((number, rendered)) => {
                *last = Some((number, rendered.clone()));
                rendered.into()
            }
            None => body::error(StatusCode::INTERNAL_SERVER_ERROR, "this can't be shown"),
        }
    }

    /// None if it panics.
    async fn render(&self, render: impl FnOnce() -> Rendered + Send + 'static) -> Option<(u64, Rendered)> {
        let begun = Arc::clone(&self.begun);
        let (budget, untaken) = (Arc::clone(&self.budget), Arc::clone(&self.untaken));
        let numbered = move || {
            let number = begun.fetch_add(1, Ordering::AcqRel) + 1;
            let start = Instant::now();
            let rendered = render();
            let end = Instant::now();
            lock(&budget).spend(end, end - start);
            (number, rendered.counted(untaken))
        };
        tokio::task::spawn_blocking(numbered).await.ok()
    }
}

fn lock(budget: &Mutex<Budget>) -> std::sync::MutexGuard<'_, Budget> {
    // The budget is whole at any time, so a panic elsewhere leaves it usable.
    budget.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes that count until the last client has taken them.
pub struct Untaken {
    bytes: Bytes,
    counted: Arc<AtomicUsize>,
}

impl Untaken {
    /// Counted from now on.
    pub fn new(bytes: Bytes, counted: Arc<AtomicUsize>) -> Self {
        counted.fetch_add(bytes.len(), Ordering::Relaxed);
        Self { bytes, counted }
    }
}

impl AsRef<[u8]> for Untaken {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Untaken {
    fn drop(&mut self) {
        self.counted.fetch_sub(self.bytes.len(), Ordering::Relaxed);
    }
}

/// The share of the time that renderings may take. Times are passed in.
#[derive(Debug)]
struct Budget {
    /// The time taken beyond it, as of `since`.
    debt: Duration,
    since: Instant,
}

impl Budget {
    fn new(now: Instant) -> Self {
        Self { debt: Duration::ZERO, since: now }
    }

    /// When the next may begin.
    fn due(&self, now: Instant) -> Instant {
        let over = self.debt.saturating_sub(now.saturating_duration_since(self.since) / SHARE);
        now + over.saturating_sub(AT_ONCE).saturating_mul(SHARE).min(LONGEST_WAIT)
    }

    /// One took so long.
    fn spend(&mut self, now: Instant, taken: Duration) {
        let paid = now.saturating_duration_since(self.since) / SHARE;
        // A debt beyond the longest wait is forgiven.
        let most = AT_ONCE + LONGEST_WAIT / SHARE;
        self.debt = (self.debt.saturating_sub(paid) + taken).min(most);
        self.since = now;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use http_body_util::BodyExt;

    use super::*;

    fn block_on<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
    }

    async fn text(response: Response) -> String {
        assert_eq!(response.status(), StatusCode::OK);
        String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }

    #[test]
    fn who_reads_and_reads_again_sees_what_has_changed() {
        let value = Arc::new(AtomicU64::new(0));
        let view = Shared::new();
        block_on(async {
            for number in 1..100 {
                value.store(number, Ordering::Relaxed);
                let seen = Arc::clone(&value);
                let render = move || Rendered::new("text/plain", seen.load(Ordering::Relaxed).to_string());
                assert_eq!(text(view.answer(render).await).await, number.to_string());
            }
        });
    }

    #[test]
    fn all_who_wait_share_one_rendering_begun_after_they_asked() {
        let (begin, begun) = mpsc::channel();
        let (end, ended) = mpsc::channel();
        let (ended, count) = (Mutex::new(ended), AtomicU64::new(0));
        let view = Arc::new(Shared::new());
        let render = Arc::new(move || {
            begin.send(()).unwrap();
            ended.lock().unwrap().recv().unwrap();
            Rendered::new("text/plain", count.fetch_add(1, Ordering::Relaxed).to_string())
        });
        block_on(async {
            let local = tokio::task::LocalSet::new();
            local
                .run_until(async {
                    let ask = || {
                        let (view, render) = (Arc::clone(&view), Arc::clone(&render));
                        tokio::task::spawn_local(
                            async move { text(view.answer(move || render()).await).await },
                        )
                    };
                    let first = ask();
                    tokio::task::yield_now().await;
                    while begun.try_recv().is_err() {
                        tokio::task::yield_now().await;
                    }
                    // They come while the first is made, which shows nothing of what happened since.
                    let others: Vec<_> = (0..300).map(|_| ask()).collect();
                    tokio::task::yield_now().await;
                    (0..2).for_each(|_| end.send(()).unwrap());
                    assert_eq!(first.await.unwrap(), "0");
                    for other in others {
                        assert_eq!(other.await.unwrap(), "1");
                    }
                })
                .await;
        });
    }

    #[test]
    fn what_nobody_takes_is_bounded_in_bytes() {
        let view = Shared::new();
        let render = || Rendered::new("text/plain", vec![b'x'; 3 << 20]);
        block_on(async {
            let mut untaken = Vec::new();
            let refused = loop {
                let response = view.answer(render).await;
                match response.status() {
                    StatusCode::OK => untaken.push(response),
                    status => break status,
                }
                assert!(untaken.len() < 6, "18 MiB");
            };
            assert_eq!(refused, StatusCode::SERVICE_UNAVAILABLE);
            drop(untaken);
            assert_eq!(text(view.answer(render).await).await.len(), 3 << 20);
        });
    }

    #[test]
    fn renderings_take_a_hundredth_of_the_time_and_nobody_waits_longer_than_a_second() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        let mut now = start;
        let mut begun = 0;
        let one = Duration::from_millis(1);
        while now < start + Duration::from_secs(100) {
            now = budget.due(now) + one;
            budget.spend(now, one);
            begun += 1;
        }
        // A thousandth of a second each: a hundred at once, and ten a second.
        assert!((1090..=1110).contains(&begun), "{begun}");
        let long = Duration::from_secs(5);
        for _ in 0..10 {
            budget.spend(now, long);
            assert!(budget.due(now) <= now + LONGEST_WAIT);
            now += long;
        }
        assert_eq!(Budget::new(start).due(start), start, "nobody has asked before");
    }
}
