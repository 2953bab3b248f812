//! Which CPUs are whose: what is measured has some for itself, and sender and sink share the others.

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use crate::error::{Doing, Error};

/// How the CPUs of this program are parted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cpus {
    /// Those that are parted; none if everyone runs where the scheduler likes.
    parted: Vec<usize>,
}

impl Cpus {
    /// Parts those that this program may run on. Of a single one there is nothing to part.
    pub(crate) fn parted() -> Result<Self, Error> {
        let set = sched_getaffinity(THIS_THREAD).doing(|| "ask for this program's CPUs".to_owned())?;
        let all: Vec<usize> = (0..CpuSet::count()).filter(|&cpu| set.is_set(cpu) == Ok(true)).collect();
        Ok(Self { parted: if all.len() > 1 { all } else { Vec::new() } })
    }

    /// Keeps CPUs for a subject of so many threads. This thread and those that it starts from now on have the others, until
    /// what this returns is dropped.
    pub(crate) fn keep(&self, threads: usize) -> Result<Kept, Error> {
        let (others, subject) = part(&self.parted, threads);
        if !others.is_empty() {
            pin(others)?;
        }
        Ok(Kept { subject: subject.to_vec(), all: self.parted.clone() })
    }

    /// What a table says of it.
    pub(crate) fn said(&self) -> String {
        match part(&self.parted, 1) {
            ([], _) => "not pinned".to_owned(),
            (others, subject) => {
                format!("a subject of one thread on CPU {subject:?}, sender and sink on {others:?}")
            }
        }
    }
}

/// CPUs that a subject has for itself.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    subject: Vec<usize>,
    all: Vec<usize>,
}

impl Kept {
    /// Which ones; none if it may run anywhere.
    pub(crate) fn subject(&self) -> &[usize] {
        &self.subject
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if !self.all.is_empty() {
            // These were this thread's before.
            let _ = pin(&self.all);
        }
    }
}

/// Those of everyone else, and the last ones, as many as there are threads, but never all: interrupts are the first one's
/// more often than not.
fn part(all: &[usize], threads: usize) -> (&[usize], &[usize]) {
    all.split_at(all.len() - threads.clamp(1, all.len().max(2) - 1).min(all.len()))
}

/// This thread's own number for the calls of sched_setaffinity(2).
const THIS_THREAD: Pid = Pid::from_raw(0);

/// Keeps this thread, and what it starts from now on, on these CPUs.
pub(crate) fn pin(cpus: &[usize]) -> Result<(), Error> {
    let mut set = CpuSet::new();
    let pinned =
        cpus.iter().try_for_each(|&cpu| set.set(cpu)).and_then(|()| sched_setaffinity(THIS_THREAD, &set));
    pinned.doing(|| format!("run on the CPUs {cpus:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_has_as_many_as_it_has_threads_but_one_is_left_for_the_others() {
        assert_eq!(part(&[0, 1], 1), (&[0][..], &[1][..]));
        assert_eq!(part(&[0, 1], 3), (&[0][..], &[1][..]));
        assert_eq!(part(&[0, 2, 4, 6], 3), (&[0][..], &[2, 4, 6][..]));
        assert_eq!(part(&[0, 2, 4, 6], 2), (&[0, 2][..], &[4, 6][..]));
        assert_eq!(part(&[], 2), (&[][..], &[][..]));
    }

    #[test]
    fn a_thread_has_its_cpus_back_once_none_are_kept_any_more() {
        let own = || {
            let set = sched_getaffinity(THIS_THREAD).unwrap();
            (0..CpuSet::count()).filter(|&cpu| set.is_set(cpu) == Ok(true)).collect::<Vec<_>>()
        };
        let before = own();
        let cpus = Cpus::parted().unwrap();
        let kept = cpus.keep(1).unwrap();
        if before.len() > 1 {
            assert_eq!(
                (own(), kept.subject()),
                (before[..before.len() - 1].to_vec(), &before[before.len() - 1..])
            );
        } else {
            assert_eq!((own(), kept.subject()), (before.clone(), &[][..]));
        }
        drop(kept);
        assert_eq!(own(), before);
    }
}
