//! Turns for what takes processor time: on threads for such work, no more of them at a time than processors.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

/// So many more wait for their turn.
const WAITING: usize = 256;

/// Whose turn it is.
#[derive(Debug)]
pub struct Turns {
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

/// No turn came in time, or too many wait for theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy;

impl Turns {
    /// As many as there are processors.
    pub fn new() -> Self {
        Self::of(std::thread::available_parallelism().map_or(1, usize::from))
    }

    fn of(turns: usize) -> Self {
        Self { turns: Arc::new(Semaphore::new(turns)), places: Arc::new(Semaphore::new(turns + WAITING)) }
    }

    /// Does this when its turn comes, if that is soon enough. It is done to its end, whoever has gone meanwhile.
    pub async fn run<T: Send + 'static>(
        &self,
        patience: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Busy)?;
        let turn = match timeout(patience, Arc::clone(&self.turns).acquire_owned()).await {
            Ok(Ok(turn)) => turn,
            Ok(Err(_)) | Err(_) => return Err(Busy),
        };
        let done = tokio::task::spawn_blocking(move || {
            let _held = (place, turn);
            work()
        });
        match done.await {
            Ok(done) => Ok(done),
            // Nobody cancels it, so it can only have panicked.
            Err(error) => resume_unwind(error.into_panic()),
        }
    }
}

impl Default for Turns {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn no_more_work_at_a_time_than_there_are_turns() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let turns = Arc::new(Turns::of(1));
            let (end, ended) = mpsc::channel::<()>();
            let first = {
                let turns = Arc::clone(&turns);
                tokio::spawn(async move { turns.run(Duration::ZERO, move || ended.recv()).await })
            };
            while turns.turns.available_permits() > 0 {
                tokio::task::yield_now().await;
            }
            assert_eq!(turns.run(Duration::from_millis(1), || ()).await, Err(Busy));
            end.send(()).unwrap();
            assert_eq!(first.await.unwrap(), Ok(Ok(())));
            assert_eq!(turns.run(Duration::from_secs(60), || 7).await, Ok(7));
        });
    }
}
