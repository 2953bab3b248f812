//! Answers that take their time: a few are produced at a time, a few more wait for their turn, and any others are
//! refused, so that who asks for them without end leaves memory and connections to others.
//!
//! Those as large as what is remembered are produced while they are sent, those that have a bound before: a client that
//! takes one of these slowly keeps nobody from the next.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use coco_daemon::counters::Snapshot;
use coco_daemon::http::{Encoding, Response, Untaken, body};
use hyper::StatusCode;
use hyper::body::Bytes;
use hyper::header::{HeaderValue, RETRY_AFTER};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::counters;

/// Answers that are produced at the same time: each holds a few MiB of names, and works without end.
const AT_ONCE: usize = 2;

/// Answers that wait besides.
const WAITING: usize = 8;

/// The longest time that a request waits for its turn.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Bytes of whole answers that clients have not taken yet; one more is begun as long as there are no more.
const UNTAKEN: usize = 8 << 20;

/// Whose turn it is.
#[derive(Debug)]
pub struct LargeAnswers {
    places: Arc<Semaphore>,
    turns: Arc<Semaphore>,
    longest_wait: Duration,
    refused: AtomicU64,
    untaken: Arc<AtomicUsize>,
}

impl Default for LargeAnswers {
    fn default() -> Self {
        Self::within(LONGEST_WAIT)
    }
}

impl LargeAnswers {
    /// Others wait no longer than this.
    fn within(longest_wait: Duration) -> Self {
        Self {
            longest_wait,
            places: Arc::new(Semaphore::new(AT_ONCE + WAITING)),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            refused: AtomicU64::new(0),
            untaken: Arc::default(),
        }
    }

    /// JSON that is produced while it is sent, when its turn has come; 503 if that takes too long.
    pub(super) async fn stream(
        &self,
        encoding: Encoding,
        produce: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
    ) -> Response {
        let Some(turn) = self.turn().await else { return self.refuse() };
        let mut response = body::stream(body::JSON, move |out| {
            let _turn = turn;
            encoding.write(out, |out| {
                produce(out)?;
                out.write_all(b"\n")
            })
        });
        encoding.mark(&mut response);
        response
    }

    /// JSON that is produced before it is sent, when its turn has come; 503 if that takes too long.
    pub(super) async fn whole(
        &self,
        encoding: Encoding,
        produce: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
    ) -> Response {
        let Some(_turn) = self.turn().await.filter(|_| self.untaken.load(Ordering::Relaxed) <= UNTAKEN)
        else {
            return self.refuse();
        };
        let write = move || {
            let mut bytes = Vec::new();
            encoding.write(&mut bytes, |out| {
                produce(out)?;
                out.write_all(b"\n")
            })?;
            Ok::<_, io::Error>(bytes)
        };
        let Ok(Ok(bytes)) = spawn_blocking(write).await else {
            return body::error(StatusCode::INTERNAL_SERVER_ERROR, "this can't be shown");
        };
        let bytes = Bytes::from_owner(Untaken::new(bytes.into(), Arc::clone(&self.untaken)));
        let mut response = body::bytes(StatusCode::OK, body::JSON, bytes);
        encoding.mark(&mut response);
        response
    }

    async fn turn(&self) -> Option<[OwnedSemaphorePermit; 2]> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let turn = timeout(self.longest_wait, Arc::clone(&self.turns).acquire_owned()).await.ok()?.ok()?;
        Some([place, turn])
    }

    fn refuse(&self) -> Response {
        self.refused.fetch_add(1, Ordering::Relaxed);
        let busy = "too many answers of this kind are under way: try again later";
        let mut response = body::error(StatusCode::SERVICE_UNAVAILABLE, busy);
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(self.longest_wait.as_secs()));
        response
    }

    /// The number of requests refused.
    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

/// Adds the number of requests refused, for answers of either kind.
pub(super) fn add_to(snapshot: &mut Snapshot, answers: [&LargeAnswers; 2]) {
    snapshot.add(&counters::API_BUSY, &[], answers.iter().map(|answers| answers.refused()).sum::<u64>());
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::mpsc;
    use std::task::Poll;

    use super::*;

    #[test]
    fn whole_answers_that_clients_do_not_take_are_bounded_in_bytes() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let answers = LargeAnswers::default();
            let produce = |out: &mut dyn Write| out.write_all(&vec![b' '; UNTAKEN / 2]);
            let mut untaken = Vec::new();
            for _ in 0..2 {
                untaken.push(answers.whole(Encoding::Plain, produce).await);
            }
            // With a newline each they are more than they may be.
            assert!(untaken.iter().all(|response| response.status() == StatusCode::OK));
            let refused = answers.whole(Encoding::Plain, produce).await;
            assert_eq!((refused.status(), answers.refused()), (StatusCode::SERVICE_UNAVAILABLE, 1));
            untaken.pop();
            assert_eq!(answers.whole(Encoding::Gzip, produce).await.status(), StatusCode::OK);
        });
    }

    #[test]
    fn a_few_are_produced_a_few_wait_and_the_rest_is_told_to_come_back() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let large = LargeAnswers::within(Duration::from_millis(1));
            let mut under_way = Vec::new();
            for _ in 0..AT_ONCE {
                let (end, ended) = mpsc::channel::<()>();
                let response = large.stream(Encoding::Plain, move |_| ended.recv().or(Ok(()))).await;
                assert_eq!(response.status(), StatusCode::OK);
                under_way.push((end, response));
            }
            let more = (0..WAITING + 3).map(|_| large.stream(Encoding::Plain, |_| Ok(())));
            let mut more: Vec<_> = more.map(Box::pin).collect();
            let is_ready = poll_fn(|context| {
                Poll::Ready(more.iter_mut().map(|one| one.as_mut().poll(context).is_ready()).collect())
            });
            let is_ready: Vec<_> = is_ready.await;
            assert_eq!(is_ready, [&[false; WAITING][..], &[true; 3]].concat());
            // None of those who wait gets a turn in time.
            for response in &mut more[..WAITING] {
                let response = response.await;
                assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
                assert!(response.headers().contains_key(RETRY_AFTER));
            }
            assert_eq!(large.refused.load(Ordering::Relaxed), WAITING as u64 + 3);
            drop(under_way.swap_remove(0));
            while large.stream(Encoding::Plain, |_| Ok(())).await.status() != StatusCode::OK {}
        });
    }
}
