//! Work that would hold up all other clients, on threads for such work.

use std::panic::resume_unwind;

/// Answers of more bytes take about a millisecond to look through.
const LARGE: usize = 512 * 1024;

/// Goes through so many bytes of answers, on another thread if that would hold up all other clients.
pub async fn aside<T: Send + 'static>(bytes: usize, work: impl FnOnce() -> T + Send + 'static) -> T {
    if bytes <= LARGE {
        return work();
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // Nobody cancels it, so it can only have panicked.
        Err(error) => resume_unwind(error.into_panic()),
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn large_answers_are_looked_through_on_another_thread() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let thread_for = |bytes| runtime.block_on(aside(bytes, || thread::current().id()));
        assert_eq!(thread_for(LARGE), thread::current().id());
        assert_ne!(thread_for(LARGE + 1), thread::current().id());
    }
}
