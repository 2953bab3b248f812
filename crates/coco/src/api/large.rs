//! Answers as large as what is remembered: a few are produced at a time, a few more wait for their turn, and any others
//! are refused, so that who asks for them without end leaves memory and connections to others.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use coco_daemon::counters::Snapshot;
use coco_daemon::http::{Response, body};
use hyper::StatusCode;
use hyper::header::{HeaderValue, RETRY_AFTER};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::counters;

/// Answers that are produced at the same time: each holds a few MiB of names, and works without end.
const AT_ONCE: usize = 2;

/// Answers that wait besides.
const WAITING: usize = 8;

/// The longest time that a request waits for its turn.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Whose turn it is.
#[derive(Debug)]
pub struct LargeAnswers {
    places: Arc<Semaphore>,
    turns: Arc<Semaphore>,
    longest_wait: Duration,
    refused: AtomicU64,
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
        }
    }

    /// JSON that is produced while it is sent, when its turn has come; 503 if that takes too long.
    pub(super) async fn answer(
        &self,
        produce: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
    ) -> Response {
        let Some(turn) = self.turn().await else {
            self.refused.fetch_add(1, Ordering::Relaxed);
            let busy = "too many large answers are under way: try again later";
            let mut response = body::error(StatusCode::SERVICE_UNAVAILABLE, busy);
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(self.longest_wait.as_secs()));
            return response;
        };
        body::stream(body::JSON, move |out| {
            let _turn = turn;
            produce(out)?;
            out.write_all(b"\n")
        })
    }

    async fn turn(&self) -> Option<[OwnedSemaphorePermit; 2]> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let turn = timeout(self.longest_wait, Arc::clone(&self.turns).acquire_owned()).await.ok()?.ok()?;
        Some([place, turn])
    }

    pub(super) fn add_to(&self, snapshot: &mut Snapshot) {
        snapshot.add(&counters::API_BUSY, &[], self.refused.load(Ordering::Relaxed));
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::mpsc;
    use std::task::Poll;

    use super::*;

    #[test]
    fn a_few_are_produced_a_few_wait_and_the_rest_is_told_to_come_back() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let large = LargeAnswers::within(Duration::from_millis(1));
            let mut under_way = Vec::new();
            for _ in 0..AT_ONCE {
                let (end, ended) = mpsc::channel::<()>();
                let response = large.answer(move |_| ended.recv().or(Ok(()))).await;
                assert_eq!(response.status(), StatusCode::OK);
                under_way.push((end, response));
            }
            let more = (0..WAITING + 3).map(|_| large.answer(|_| Ok(())));
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
            while large.answer(|_| Ok(())).await.status() != StatusCode::OK {}
        });
    }
}
