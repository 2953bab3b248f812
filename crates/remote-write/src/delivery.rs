//! What to do next with a batch, answer by answer.
//!
//! One sample that an engine refuses costs the whole request, so what is refused is split in halves until the sample stands
//! alone. What fails again and again in the same words is taken for refused: one series may have a server fail for ever.

use std::ops::Range;
use std::time::Duration;

use crate::answer::{Answer, Refusal};

/// Most requests that a batch may cost beyond its first because samples were refused. What is left then is dropped.
const MOST_EXTRA: u32 = 64;

/// How often in a row an engine is asked at once for parts of what was too large. No batch can be halved more often.
const TOO_LARGE_AT_ONCE: u32 = 16;

/// How often in a row a batch fails in the same words until it is split.
const SAME_FAILURES: u32 = 5;

/// Bytes of a request beyond which a broken connection speaks of its size.
const LARGE: usize = 1 << 20;

/// The longest wait after the first failure, which doubles with each that follows.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The longest wait after many.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// How long to wait for an operator to mend the configuration.
const BLOCKED_WAIT: Duration = Duration::from_secs(30);

/// What becomes of some samples by an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The engine has them.
    Delivered(Range<usize>),
    /// It will never take them.
    Refused(Range<usize>, Refusal),
    /// They are to be sent again, or in parts.
    Retried,
}

/// When to send again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// At once.
    No,
    /// After this.
    For(Duration),
    /// After any time up to this, by chance, so that many don't come at once.
    UpTo(Duration),
    /// After this, as an operator has to mend something.
    Blocked(Duration),
}

/// The way of a batch to an engine.
#[derive(Debug)]
pub struct Delivery {
    /// What is to be sent, the next one last.
    parts: Vec<Range<usize>>,
    extra: u32,
    /// How often in a row this failure was met.
    failure: Option<Vec<u8>>,
    same: u32,
}

/// How often in a row an engine has failed, whatever the batch.
#[derive(Debug, Default)]
pub struct Pace {
    failures: u32,
    /// How often it found a request too large since it last judged the samples of one.
    too_large: u32,
}

impl Delivery {
    /// Of so many samples.
    pub fn new(samples: usize) -> Self {
        let parts = (samples > 0).then_some(0..samples).into_iter().collect();
        Self { parts, extra: 0, failure: None, same: 0 }
    }

    /// The samples to send next; none when all are done with.
    pub fn next(&self) -> Option<Range<usize>> {
        self.parts.last().cloned()
    }

    /// Gives up the samples to send next, such as those that are too old meanwhile.
    pub fn skip(&mut self) -> Option<Range<usize>> {
        self.forget_failures();
        self.parts.pop()
    }

    /// Sends the next samples in two parts, if they are more than one. For a request that is too large to be sent.
    pub fn split(&mut self) -> bool {
        match self.parts.pop() {
            Some(part) if part.len() > 1 => {
                let middle = part.start + part.len() / 2;
                self.parts.extend([middle..part.end, part.start..middle]);
                self.forget_failures();
                true
            }
            part => {
                self.parts.extend(part);
                false
            }
        }
    }

    /// Takes note of the answer to the samples that were next, in a body of so many bytes.
    pub fn meet(&mut self, answer: Answer, body: usize, pace: &mut Pace) -> (Outcome, Wait) {
        match answer {
            Answer::Accepted => {
                *pace = Pace::default();
                let part = self.skip().unwrap_or_default();
                (Outcome::Delivered(part), Wait::No)
            }
            Answer::Refused(why) => {
                *pace = Pace::default();
                (self.refused(why), Wait::No)
            }
            Answer::TooLarge => (self.too_large(), pace.too_large()),
            Answer::Busy(Some(wait)) if !wait.is_zero() => (Outcome::Retried, Wait::For(wait)),
            // Nor is it asked again at once who asks for no time at all, or for one that is over.
            Answer::Busy(_) => (Outcome::Retried, pace.fail()),
            Answer::NoAnswer { broken: true } if body > LARGE && self.split() => {
                (Outcome::Retried, pace.fail())
            }
            Answer::NoAnswer { .. } => {
                self.forget_failures();
                (Outcome::Retried, pace.fail())
            }
            Answer::Failed { mark } => {
                let wait = pace.fail();
                if self.failure.as_ref() != Some(&mark) {
                    self.forget_failures();
                    self.failure = Some(mark);
                }
                self.same += 1;
                if self.same < SAME_FAILURES {
                    return (Outcome::Retried, wait);
                }
                // The parts get as many chances as soon.
                pace.failures = 0;
                (self.refused(Refusal::Other), wait)
            }
            Answer::Misconfigured(_) => {
                self.forget_failures();
                (Outcome::Retried, Wait::Blocked(BLOCKED_WAIT))
            }
        }
    }

    fn refused(&mut self, why: Refusal) -> Outcome {
        let is_single = self.next().is_some_and(|part| part.len() == 1);
        if !is_single && self.extra + 2 > MOST_EXTRA {
            // Parts follow one another to the end.
            let start = self.parts.last().map_or(0, |part| part.start);
            let end = self.parts.first().map_or(0, |part| part.end);
            self.parts.clear();
            return Outcome::Refused(start..end, why);
        }
        if self.split() {
            self.extra += 2;
            return Outcome::Retried;
        }
        Outcome::Refused(self.skip().unwrap_or_default(), why)
    }

    fn too_large(&mut self) -> Outcome {
        if self.split() {
            Outcome::Retried
        } else {
            Outcome::Refused(self.skip().unwrap_or_default(), Refusal::Other)
        }
    }

    fn forget_failures(&mut self) {
        self.failure = None;
        self.same = 0;
    }
}

impl Pace {
    /// Who finds whatever is sent too large is down: there are as many requests for a batch as it has samples, and more.
    fn too_large(&mut self) -> Wait {
        if self.too_large >= TOO_LARGE_AT_ONCE {
            return self.fail();
        }
        self.too_large += 1;
        self.failures = 0;
        Wait::No
    }

    fn fail(&mut self) -> Wait {
        let wait = FIRST_WAIT.saturating_mul(1 << self.failures.min(16)).min(LONGEST_WAIT);
        self.failures = self.failures.saturating_add(1);
        Wait::UpTo(wait)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn failed() -> Answer {
        Answer::Failed { mark: b"same".to_vec() }
    }

    /// Sends until nothing is left, to an engine that answers by the samples it gets. What became of each sample, and how
    /// many requests it took.
    fn send(samples: usize, mut engine: impl FnMut(Range<usize>) -> Answer) -> (Vec<Outcome>, usize) {
        let (mut delivery, mut pace) = (Delivery::new(samples), Pace::default());
        let (mut outcomes, mut requests) = (Vec::new(), 0);
        while let Some(part) = delivery.next() {
            requests += 1;
            assert!(requests < 10_000, "it ends");
            let (outcome, _) = delivery.meet(engine(part), 0, &mut pace);
            if outcome != Outcome::Retried {
                outcomes.push(outcome);
            }
        }
        (outcomes, requests)
    }

    fn delivered(outcomes: &[Outcome]) -> usize {
        let count = |outcome: &Outcome| if let Outcome::Delivered(part) = outcome { part.len() } else { 0 };
        outcomes.iter().map(count).sum()
    }

    #[test]
    fn one_refused_sample_of_two_thousand_costs_itself_alone() {
        for bad in [0, 1, 777, 1999] {
            let refuse = Answer::Refused(Refusal::Duplicate);
            let engine =
                |part: Range<usize>| if part.contains(&bad) { refuse.clone() } else { Answer::Accepted };
            let (outcomes, requests) = send(2000, engine);
            assert_eq!(delivered(&outcomes), 1999);
            assert!(outcomes.contains(&Outcome::Refused(bad..bad + 1, Refusal::Duplicate)));
            assert!(requests <= 1 + 2 * 11, "{requests}");
        }
    }

    #[test]
    fn a_batch_that_is_refused_whole_costs_so_many_requests_and_is_dropped() {
        let (outcomes, requests) = send(2000, |_| Answer::Refused(Refusal::OutOfBounds));
        let dropped =
            |outcome: &Outcome| if let Outcome::Refused(part, _) = outcome { part.len() } else { 0 };
        assert_eq!(outcomes.iter().map(dropped).sum::<usize>(), 2000);
        assert!(requests <= 1 + MOST_EXTRA as usize, "{requests}");
    }

    #[test]
    fn what_fails_in_the_same_words_is_split_and_one_sample_dropped() {
        let (outcomes, _) = send(16, |part| if part.contains(&9) { failed() } else { Answer::Accepted });
        assert_eq!(delivered(&outcomes), 15);
        assert!(outcomes.contains(&Outcome::Refused(9..10, Refusal::Other)));
    }

    #[test]
    fn other_failures_and_faults_of_the_configuration_never_cost_a_sample() {
        for answers in [
            &[Answer::NoAnswer { broken: true }][..],
            &[Answer::Busy(None)],
            &[Answer::Busy(Some(Duration::ZERO))],
            &[Answer::Misconfigured(401)],
            &[failed(), Answer::Failed { mark: b"other".to_vec() }],
        ] {
            let (mut delivery, mut pace) = (Delivery::new(2000), Pace::default());
            for answer in answers.iter().cycle().take(1000) {
                assert_eq!(delivery.meet(answer.clone(), LARGE, &mut pace).0, Outcome::Retried);
            }
            assert_eq!(delivery.next(), Some(0..2000));
        }
    }

    #[test]
    fn a_broken_connection_splits_what_is_large_and_never_drops() {
        let (mut delivery, mut pace) = (Delivery::new(2), Pace::default());
        for expected in [0..1, 0..1] {
            let (outcome, _) = delivery.meet(Answer::NoAnswer { broken: true }, LARGE + 1, &mut pace);
            assert_eq!((outcome, delivery.next()), (Outcome::Retried, Some(expected)));
        }
    }

    #[test]
    fn waits_double_up_to_half_a_minute_and_begin_anew_when_something_was_taken() {
        let (mut delivery, mut pace) = (Delivery::new(1), Pace::default());
        let mut fail = |pace: &mut Pace| delivery.meet(Answer::NoAnswer { broken: false }, 0, pace).1;
        // Whoever has no time for no time is not asked at once.
        let none = Answer::Busy(Some(Duration::ZERO));
        assert_eq!(Delivery::new(1).meet(none, 0, &mut Pace::default()).1, Wait::UpTo(FIRST_WAIT));
        for milliseconds in [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000] {
            assert_eq!(fail(&mut pace), Wait::UpTo(Duration::from_millis(milliseconds)));
        }
        Delivery::new(1).meet(Answer::Accepted, 0, &mut pace);
        assert_eq!(fail(&mut pace), Wait::UpTo(FIRST_WAIT));
    }

    #[test]
    fn who_finds_everything_too_large_is_asked_at_once_a_few_times_in_all_and_then_as_who_fails() {
        let mut pace = Pace::default();
        let mut waits = Vec::new();
        for _ in 0..2 {
            let mut delivery = Delivery::new(2000);
            while delivery.next().is_some() {
                waits.push(delivery.meet(Answer::TooLarge, 0, &mut pace).1);
            }
        }
        let at_once = waits.iter().filter(|wait| **wait == Wait::No).count();
        assert_eq!(at_once, TOO_LARGE_AT_ONCE as usize);
        assert_eq!(waits[at_once..at_once + 2], [FIRST_WAIT, 2 * FIRST_WAIT].map(Wait::UpTo));
        assert_eq!(waits.last(), Some(&Wait::UpTo(LONGEST_WAIT)));
    }

    #[test]
    fn who_takes_parts_is_never_waited_for_however_small_they_have_to_be() {
        for (samples, most) in [(2000, 999), (2000, 7), (10_000, 1)] {
            let (mut delivery, mut pace) = (Delivery::new(samples), Pace::default());
            while let Some(part) = delivery.next() {
                let answer = if part.len() > most { Answer::TooLarge } else { Answer::Accepted };
                let (outcome, wait) = delivery.meet(answer, 0, &mut pace);
                assert_eq!(wait, Wait::No, "{part:?}");
                assert!(!matches!(outcome, Outcome::Refused(..)), "{part:?}");
            }
        }
    }

    fn answers() -> impl Strategy<Value = Answer> {
        prop_oneof![
            4 => Just(Answer::Accepted),
            2 => Just(Answer::Refused(Refusal::Duplicate)),
            1 => Just(Answer::TooLarge),
            1 => Just(Answer::Busy(None)),
            2 => Just(failed()),
            1 => Just(Answer::NoAnswer { broken: true }),
            1 => Just(Answer::Misconfigured(401)),
        ]
    }

    proptest! {
        /// Whatever is answered, each sample is done with once, and older ones before newer ones.
        #[test]
        fn every_sample_is_done_with_once_and_in_order(
            samples in 0usize..300,
            answers in prop::collection::vec((answers(), any::<bool>()), 0..600),
        ) {
            let (mut delivery, mut pace) = (Delivery::new(samples), Pace::default());
            let mut done = 0;
            let mut answers = answers.into_iter();
            while let Some(part) = delivery.next() {
                prop_assert_eq!(part.start, done);
                let (answer, large) = answers.next().unwrap_or((Answer::Accepted, false));
                let body = if large { LARGE + 1 } else { 0 };
                match delivery.meet(answer, body, &mut pace).0 {
                    Outcome::Delivered(part) | Outcome::Refused(part, _) => {
                        prop_assert_eq!(part.start, done);
                        done = part.end;
                    }
                    Outcome::Retried => {}
                }
            }
            prop_assert_eq!(done, samples);
        }
    }
}
