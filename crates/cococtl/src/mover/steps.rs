//! In which order one file goes from one node to another, whatever happens. No process and no clock: who does the steps
//! says what came of each.
//!
//! ```text
//! export at the former owner -> import at the new one -> compare there -> done
//!        ^   it was updated later, or written meanwhile: once more |      |
//!        +---------------------------------------------------------+------+  something is missing or different
//! ```

use std::time::Duration;

use crate::node::protocol::{Compared, Done, Imported, Time};

/// Tries to find both files updated last at the same time, before a file is taken whose rows in progress can't all be kept.
const EXACT_TRIES: u32 = 16;

/// Tries in all, before a file is one that can't be moved now.
const TRIES: u32 = 40;

/// Times that a file is imported once more because a comparison found something.
const ROUNDS: u32 = 4;

/// Times that a file which ends before the former owner's is compared anew: what is on its way may not have arrived.
const ARRIVALS: u32 = 3;

/// The first pause before another try; it doubles up to the longest.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);

/// The longest.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// What is to be done next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Wait so long, then export at the former owner.
    Export(Duration),
    /// Import what was exported at the new owner.
    Import {
        /// Whether rows in progress need not be as good as they can be.
        inexact: bool,
    },
    /// Compare what was exported at the new owner.
    Compare {
        /// Whether files that were not updated last at the same time are worth an answer.
        inexact: bool,
    },
    /// Nothing: it is over.
    Over(Verdict),
}

/// What came of a step.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The former owner has given its file, which was updated last then.
    Exported(Time),
    /// The former owner has no such file any more.
    Gone,
    /// The new owner has no such file.
    Absent,
    /// It was imported.
    Imported(Imported),
    /// The new owner's file was updated later.
    Later,
    /// It was written meanwhile.
    Again,
    /// It was compared.
    Compared(Compared),
    /// It can't be done.
    Problem(String),
}

/// How it ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// Whether the new owner has a file now that it had not.
    pub created: bool,
    /// Values that it had not.
    pub values: u64,
    /// Bytes that were written.
    pub bytes: u64,
    /// Values that were compared.
    pub compared: u64,
    /// Whether rows in progress may differ once they are full: move it once more when they are.
    pub unfinished: bool,
    /// What is wrong, in words.
    pub wrong: Vec<String>,
}

/// One file on its way, or being compared.
#[derive(Clone, Debug)]
pub struct Course {
    may_import: bool,
    /// Whether the new owner's file is expected to be newer, since the former gets nothing any more.
    former_has_ended: bool,
    importing: bool,
    /// When the former owner's file was updated last.
    end: Time,
    tries: u32,
    /// Of the tries, those where the new owner's file ended before the former's.
    arrivals: u32,
    rounds: u32,
    verdict: Verdict,
}

impl Course {
    /// A file is to be imported, and compared.
    pub fn of_a_move() -> Self {
        Self { importing: true, may_import: true, ..Self::of_a_comparison(false) }
    }

    /// A file that was moved is to be compared, and imported once more if it has to be.
    pub fn of_a_check() -> Self {
        Self { may_import: true, ..Self::of_a_comparison(false) }
    }

    /// A file is to be compared alone.
    pub fn of_a_comparison(former_has_ended: bool) -> Self {
        let verdict = Verdict::default();
        Self {
            may_import: false,
            former_has_ended,
            importing: false,
            end: Time::default(),
            tries: 0,
            arrivals: 0,
            rounds: 0,
            verdict,
        }
    }

    /// The first step.
    pub fn begin(&self) -> Step {
        Step::Export(Duration::ZERO)
    }

    /// The next one.
    pub fn next(&mut self, event: Event) -> Step {
        match event {
            Event::Exported(end) => {
                self.end = end;
                self.with_the_copy()
            }
            // What the former owner has no more is none of this.
            Event::Gone => self.over(),
            Event::Absent => self.found_wrong(vec!["the new owner has no such file".to_owned()]),
            Event::Later | Event::Again => self.once_more(),
            Event::Imported(imported) => {
                self.verdict.created |= imported.done == Done::Created;
                self.verdict.values += imported.values;
                self.verdict.bytes += imported.bytes;
                self.verdict.unfinished = !imported.is_exact;
                (self.importing, self.tries, self.arrivals) = (false, 0, 0);
                self.with_the_copy()
            }
            Event::Compared(compared) => self.judge(compared),
            Event::Problem(reason) => {
                self.verdict.wrong = vec![reason];
                self.over()
            }
        }
    }

    fn with_the_copy(&self) -> Step {
        let inexact = self.tries >= EXACT_TRIES || self.former_has_ended;
        if self.importing { Step::Import { inexact } } else { Step::Compare { inexact } }
    }

    fn once_more(&mut self) -> Step {
        self.tries += 1;
        if self.tries > TRIES {
            self.verdict.wrong = vec!["it is written faster than it can be moved: try again".to_owned()];
            return self.over();
        }
        let pause = SHORTEST_PAUSE * 2_u32.pow((self.tries - 1).min(8));
        Step::Export(pause.min(LONGEST_PAUSE))
    }

    fn judge(&mut self, compared: Compared) -> Step {
        self.verdict.compared = compared.values;
        let Compared { missing, different, unfinished, told, last, .. } = compared;
        // No row was compared that ends after that.
        if last < self.end {
            self.arrivals += 1;
            if self.arrivals <= ARRIVALS {
                return self.once_more();
            }
            let (Time(here, _), Time(there, _)) = (last, self.end);
            return self.found_wrong(vec![format!(
                "the new owner's file ends at {here}, before the former owner's, which ends at {there}"
            )]);
        }
        if missing == 0 && different == 0 && (self.former_has_ended || unfinished == Some(0)) {
            self.verdict.unfinished = false;
            return self.over();
        }
        if missing == 0 && different == 0 && unfinished.is_none() {
            self.verdict.unfinished = true;
            return self.over();
        }
        let mut wrong = vec![format!(
            "{missing} values are missing, {different} are different, {} rows in progress differ",
            unfinished.map_or("perhaps".to_owned(), |count| count.to_string())
        )];
        wrong.extend(told);
        self.found_wrong(wrong)
    }

    fn found_wrong(&mut self, wrong: Vec<String>) -> Step {
        self.rounds += 1;
        if !self.may_import || self.rounds > ROUNDS {
            self.verdict.wrong = wrong;
            return self.over();
        }
        (self.importing, self.tries, self.arrivals) = (true, 0, 0);
        Step::Export(SHORTEST_PAUSE)
    }

    fn over(&mut self) -> Step {
        Step::Over(std::mem::take(&mut self.verdict))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: Time = Time(1000, 5);

    const EXPORTED: Event = Event::Exported(END);

    fn imported(done: Done, is_exact: bool) -> Event {
        Event::Imported(Imported { done, values: 7, bytes: 100, is_exact })
    }

    fn compared(missing: u64, different: u64, unfinished: Option<u64>) -> Event {
        let (last, told) = (END, vec!["v AVERAGE".to_owned()]);
        Event::Compared(Compared { values: 50, missing, different, unfinished, last, told })
    }

    fn over(step: Step) -> Verdict {
        match step {
            Step::Over(verdict) => verdict,
            other => panic!("{other:?} is not over"),
        }
    }

    #[test]
    fn a_file_is_exported_imported_and_compared() {
        let mut course = Course::of_a_move();
        assert_eq!(course.begin(), Step::Export(Duration::ZERO));
        assert_eq!(course.next(EXPORTED), Step::Import { inexact: false });
        assert_eq!(course.next(imported(Done::Created, true)), Step::Compare { inexact: false });
        let verdict = over(course.next(compared(0, 0, Some(0))));
        let expected =
            Verdict { created: true, values: 7, bytes: 100, compared: 50, unfinished: false, wrong: vec![] };
        assert_eq!(verdict, expected);
    }

    #[test]
    fn a_file_that_was_updated_later_is_exported_again_until_there_is_no_hope_for_rows_in_progress() {
        let mut course = Course::of_a_move();
        let mut pauses = Vec::new();
        loop {
            match course.next(EXPORTED) {
                Step::Import { inexact: false } => {}
                Step::Import { inexact: true } => break,
                other => panic!("{other:?}"),
            }
            let Step::Export(pause) = course.next(Event::Later) else { panic!("no export") };
            pauses.push(pause);
        }
        assert_eq!(pauses.len() as u32, EXACT_TRIES);
        assert!(pauses.is_sorted() && pauses.last() == Some(&LONGEST_PAUSE), "{pauses:?}");
        assert_eq!(course.next(imported(Done::Merged, false)), Step::Compare { inexact: false });
        for _ in 0..EXACT_TRIES {
            assert!(matches!(course.next(Event::Later), Step::Export(_)));
            course.next(EXPORTED);
        }
        let verdict = over(course.next(compared(0, 0, None)));
        assert!(verdict.unfinished && verdict.wrong.is_empty(), "{verdict:?}");
    }

    #[test]
    fn what_differs_is_imported_once_more_and_told_in_the_end() {
        for event in [compared(1, 0, Some(0)), compared(0, 1, None), compared(0, 0, Some(1)), Event::Absent] {
            let mut course = Course::of_a_move();
            course.next(EXPORTED);
            for _ in 0..ROUNDS {
                course.next(imported(Done::Merged, true));
                assert!(matches!(course.next(event.clone()), Step::Export(_)));
                assert_eq!(course.next(EXPORTED), Step::Import { inexact: false });
            }
            course.next(imported(Done::Merged, true));
            assert!(!over(course.next(event)).wrong.is_empty());
        }
    }

    #[test]
    fn a_check_imports_what_it_has_to() {
        let mut course = Course::of_a_check();
        assert_eq!(course.next(EXPORTED), Step::Compare { inexact: false });
        assert!(matches!(course.next(compared(0, 2, Some(0))), Step::Export(_)));
        assert_eq!(course.next(EXPORTED), Step::Import { inexact: false });
        course.next(imported(Done::Merged, true));
        assert_eq!(over(course.next(compared(0, 0, Some(0)))).bytes, 100);
    }

    #[test]
    fn a_comparison_imports_nothing() {
        let mut course = Course::of_a_comparison(false);
        assert_eq!(course.next(EXPORTED), Step::Compare { inexact: false });
        assert_eq!(over(course.next(compared(0, 2, Some(0)))).wrong.len(), 2);
        // Once the former owner gets nothing any more, the new one's file is always newer.
        let mut course = Course::of_a_comparison(true);
        assert_eq!(course.next(EXPORTED), Step::Compare { inexact: true });
        let verdict = over(course.next(compared(0, 0, None)));
        assert!(!verdict.unfinished && verdict.wrong.is_empty(), "{verdict:?}");
        assert_eq!(over(Course::of_a_comparison(false).next(Event::Gone)), Verdict::default());
    }

    #[test]
    fn a_file_that_ends_before_the_former_owners_is_no_good_however_it_compares() {
        let ends_before = || {
            let (last, told) = (Time(1000, 4), Vec::new());
            Event::Compared(Compared { values: 50, missing: 0, different: 0, unfinished: None, last, told })
        };
        for former_has_ended in [false, true] {
            let mut course = Course::of_a_comparison(former_has_ended);
            course.next(EXPORTED);
            for _ in 0..ARRIVALS {
                assert!(matches!(course.next(ends_before()), Step::Export(_)));
                assert_eq!(course.next(EXPORTED), Step::Compare { inexact: former_has_ended });
            }
            let wrong = over(course.next(ends_before())).wrong;
            assert!(wrong[0].contains("ends at 1000, before"), "{wrong:?}");
        }
        // What was on its way has arrived, or is imported once more.
        let mut course = Course::of_a_check();
        course.next(EXPORTED);
        course.next(ends_before());
        course.next(EXPORTED);
        assert!(over(course.clone().next(compared(0, 0, Some(0)))).wrong.is_empty());
        for _ in 1..ARRIVALS {
            course.next(ends_before());
            course.next(EXPORTED);
        }
        course.next(ends_before());
        assert_eq!(course.next(EXPORTED), Step::Import { inexact: false });
    }

    #[test]
    fn nothing_goes_on_for_ever() {
        let mut course = Course::of_a_move();
        for _ in 0..TRIES {
            course.next(EXPORTED);
            assert!(matches!(course.next(Event::Again), Step::Export(_)));
        }
        course.next(EXPORTED);
        assert!(over(course.next(Event::Again)).wrong[0].contains("try again"));
        assert_eq!(over(Course::of_a_move().next(Event::Problem("no room".to_owned()))).wrong, ["no room"]);
    }
}
