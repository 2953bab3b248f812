//! Lines on their way to whoever reads them. Who writes a line never waits: it stands in a queue, and a thread of its
//! own hands it over. A reader that is slow, hangs or has gone costs lines, which are counted, and nothing else.
//!
//! The queue is bounded in bytes, since a line may be as long as all that is wrong with a configuration.

use std::io::{self, ErrorKind, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

/// Bytes of lines that wait, at most, each with what it costs to keep it.
const LARGEST: usize = 1 << 20;

/// The time until an output that takes nothing at the moment (`O_NONBLOCK`) is tried again.
const PAUSE: Duration = Duration::from_millis(10);

/// The writing end.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    items: Sender<Item>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Bytes of lines that have not been handed over yet.
    waiting: AtomicUsize,
    /// Lines lost.
    dropped: AtomicU64,
}

#[derive(Debug)]
enum Item {
    Line(Box<[u8]>),
    /// Dropped when all that stood before it has been handed over.
    End(#[expect(dead_code, reason = "its end is what it tells")] Sender<()>),
}

impl Queue {
    /// Hands lines over to `output` in a thread of its own. `resumed` is told how many were lost when there is
    /// somebody again who takes them.
    pub(super) fn start(output: impl Write + Send + 'static, resumed: fn(u64)) -> io::Result<Self> {
        let (items, queued) = unbounded();
        let shared = Arc::new(Shared::default());
        let writer = Writer { output, resumed, shared: Arc::clone(&shared), told: 0 };
        std::thread::Builder::new().name("log".to_owned()).spawn(move || writer.run(&queued))?;
        Ok(Self { items, shared })
    }

    /// Hands a line over when its turn comes, or loses it if too much waits already.
    pub(super) fn push(&self, line: &[u8]) {
        self.push_within(line, LARGEST);
    }

    /// The same for lines without end: they leave half of the room to others.
    pub(super) fn push_aside(&self, line: &[u8]) {
        self.push_within(line, LARGEST / 2);
    }

    fn push_within(&self, line: &[u8], most: usize) {
        let cost = cost(line);
        if self.shared.waiting.fetch_add(cost, Ordering::Relaxed) + cost > most {
            self.shared.waiting.fetch_sub(cost, Ordering::Relaxed);
            self.shared.lose();
            return;
        }
        // Fails only if the writer has panicked.
        if self.items.send(Item::Line(line.into())).is_err() {
            self.shared.lose();
        }
    }

    /// Waits until all lines have been handed over, `patience` at most.
    pub(super) fn finish(&self, patience: Duration) {
        let (end, ended) = bounded(0);
        let _ = self.items.send(Item::End(end));
        // However that ends: nothing more can be done about it.
        let _ = ended.recv_timeout(patience);
    }

    /// The number of lines lost.
    pub(super) fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn lose(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

fn cost(line: &[u8]) -> usize {
    line.len() + size_of::<Item>()
}

struct Writer<W> {
    output: W,
    resumed: fn(u64),
    shared: Arc<Shared>,
    /// The number of losses that were told.
    told: u64,
}

impl<W: Write> Writer<W> {
    fn run(mut self, queued: &Receiver<Item>) {
        for item in queued {
            let Item::Line(line) = item else { continue };
            let written = write_patiently(&mut self.output, &line);
            self.shared.waiting.fetch_sub(cost(&line), Ordering::Relaxed);
            match written {
                Ok(()) => self.tell_of_losses(),
                Err(_) => self.shared.lose(),
            }
        }
    }

    /// Only behind a line that has been taken, so that this brings forth no line that is lost in turn.
    fn tell_of_losses(&mut self) {
        let dropped = self.shared.dropped.load(Ordering::Relaxed);
        if dropped > self.told {
            (self.resumed)(dropped - self.told);
            self.told = dropped;
        }
    }
}

/// `write_all` for an output that may have been made non-blocking by another process that has it, too.
fn write_patiently(output: &mut impl Write, mut rest: &[u8]) -> io::Result<()> {
    while !rest.is_empty() {
        match output.write(rest) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => rest = &rest[written..],
            Err(problem) if problem.kind() == ErrorKind::Interrupted => {}
            Err(problem) if problem.kind() == ErrorKind::WouldBlock => std::thread::sleep(PAUSE),
            Err(problem) => return Err(problem),
        }
    }
    Ok(())
}

/// Standard output as it is: what stood in a buffer might be written once more, and waited for, at the end of the
/// process.
#[derive(Debug)]
pub(super) struct StandardOutput;

impl Write for StandardOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(nix::unistd::write(io::stdout(), bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Hung until the test lets go of its lock, then full for the first write.
    struct Output {
        gate: Arc<Mutex<()>>,
        full: bool,
        written: Sender<Vec<u8>>,
    }

    impl Write for Output {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            drop(self.gate.lock().unwrap());
            if std::mem::take(&mut self.full) {
                return Err(ErrorKind::StorageFull.into());
            }
            let _ = self.written.send(bytes.into());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    static RESUMED: AtomicU64 = AtomicU64::new(0);

    #[test]
    fn nobody_waits_for_an_output_that_hangs_and_what_is_lost_is_counted_and_told() {
        let gate = Arc::new(Mutex::new(()));
        let hung = gate.lock().unwrap();
        let (written, read) = unbounded();
        let output = Output { gate: Arc::clone(&gate), full: true, written };
        let queue = Queue::start(output, |lost| _ = RESUMED.fetch_add(lost, Ordering::Relaxed)).unwrap();
        let line = [b'x'; 1000];
        // Twice as much as there is room for.
        let pushed = 2 * LARGEST / cost(&line);
        (0..pushed).for_each(|_| queue.push(&line));
        let room = LARGEST / cost(&line);
        assert_eq!(queue.dropped(), (pushed - room) as u64);
        assert!(queue.shared.waiting.load(Ordering::Relaxed) <= LARGEST);
        // Nor does the end wait.
        queue.finish(Duration::ZERO);
        assert_eq!(read.try_iter().count(), 0);

        drop(hung);
        queue.finish(Duration::from_secs(60));
        // The first of them met a full disk.
        assert_eq!(read.try_iter().count(), room - 1);
        assert_eq!(queue.dropped(), (pushed - room + 1) as u64);
        assert_eq!(RESUMED.load(Ordering::Relaxed), queue.dropped());
        assert_eq!(queue.shared.waiting.load(Ordering::Relaxed), 0, "there is room again");
        queue.push(b"more");
        queue.finish(Duration::from_secs(60));
        assert_eq!(read.try_iter().collect::<Vec<_>>(), [b"more"]);
    }

    #[test]
    fn lines_without_end_leave_room_to_others() {
        let gate = Arc::new(Mutex::new(()));
        let hung = gate.lock().unwrap();
        let (written, read) = unbounded();
        let queue = Queue::start(Output { gate: Arc::clone(&gate), full: false, written }, |_| ()).unwrap();
        let line = [b'x'; 1000];
        let room = LARGEST / 2 / cost(&line);
        (0..2 * room).for_each(|_| queue.push_aside(&line));
        assert_eq!(queue.dropped(), room as u64);
        queue.push(b"what else is to be said");
        assert_eq!(queue.dropped(), room as u64);
        drop(hung);
        queue.finish(Duration::from_secs(60));
        assert_eq!(read.try_iter().last().unwrap(), b"what else is to be said");
    }

    #[test]
    fn an_output_that_takes_a_little_now_and_then_gets_all() {
        struct Slow(bool, Sender<u8>);
        impl Write for Slow {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0 = !self.0;
                if self.0 {
                    return Err(ErrorKind::WouldBlock.into());
                }
                let _ = self.1.send(bytes[0]);
                Ok(1)
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (written, read) = unbounded();
        let queue = Queue::start(Slow(false, written), |_| {}).unwrap();
        queue.push(b"one\n");
        queue.push(b"two\n");
        queue.finish(Duration::from_secs(60));
        assert_eq!(read.try_iter().collect::<Vec<_>>(), b"one\ntwo\n");
        assert_eq!(queue.dropped(), 0);
    }
}
