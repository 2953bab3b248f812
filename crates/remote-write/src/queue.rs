//! What waits to be sent to one engine, in bounded memory: the oldest is sent first, and dropped first.

use std::ops::Range;
use std::sync::Arc;

use coco_core::types_db::TypesDb;
use coco_core::value_list::ValueListRef;

use crate::answer::Refusal;
pub use crate::batches::Batch;
use crate::batches::{Batches, Waiting};
use crate::lists::{Lists, Place};
use crate::naming::labels;
use crate::relabel::Rule;
use crate::request::{encode_labels, push_series};
use crate::sample::{ListDrop, milliseconds, number, sources};
use crate::series::{Order, SeriesTable};

/// How long a series is remembered that nobody names, in milliseconds.
const FORGET_AFTER: i64 = 24 * 3_600_000;
/// How often it is looked for such.
const FORGET_EVERY: i64 = 600_000;
/// Shorter and shorter, when there is no memory.
const FORGET_IN_NEED: [i64; 4] = [3_600_000, 600_000, 60_000, ALL_OF_THEM];
/// What is seen now goes, too.
const ALL_OF_THEM: i64 = -1;

/// Settings of an operator.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Samples of so many milliseconds are too old.
    pub max_age: i64,
    /// Samples of more than so many milliseconds after now are of a wrong clock.
    pub max_ahead: i64,
    /// Bytes of all that is kept.
    pub max_memory: usize,
    /// Most samples of a request.
    pub batch_samples: usize,
    /// For how many milliseconds samples are gathered.
    pub batch_delay: i64,
    /// Labels of all series.
    pub labels: Vec<(String, String)>,
    /// Which series are dropped.
    pub relabel: Vec<Rule>,
}

/// Why a sample is not delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SampleDrop {
    /// Older than the last one of its series.
    Old,
    /// Of the time of the last one of its series.
    Duplicate,
    /// Of a time to come.
    Future,
    /// Older than it may be.
    TooOld,
    /// A rule says so.
    Relabel,
    /// There was no memory for it.
    Full,
    /// The engine has newer ones of its series.
    OutOfOrder,
    /// The engine has another value of its time.
    RefusedDuplicate,
    /// The engine finds it too old.
    OutOfBounds,
    /// The engine refuses it with other words.
    Other,
    /// It was in memory that a mistake in the program cost.
    Panic,
}

impl SampleDrop {
    /// Every reason.
    pub const ALL: [Self; 11] = [
        Self::Old,
        Self::Duplicate,
        Self::Future,
        Self::TooOld,
        Self::Relabel,
        Self::Full,
        Self::OutOfOrder,
        Self::RefusedDuplicate,
        Self::OutOfBounds,
        Self::Other,
        Self::Panic,
    ];

    /// The name in counters.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Old => "old",
            Self::Duplicate => "duplicate",
            Self::Future => "future",
            Self::TooOld => "too_old",
            Self::Relabel => "relabel",
            Self::Full => "full",
            Self::OutOfOrder => "out_of_order",
            Self::RefusedDuplicate => "refused_duplicate",
            Self::OutOfBounds => "out_of_bounds",
            Self::Other => "other",
            Self::Panic => "panic",
        }
    }
}

impl From<Refusal> for SampleDrop {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::OutOfOrder => Self::OutOfOrder,
            Refusal::Duplicate => Self::RefusedDuplicate,
            Refusal::OutOfBounds => Self::OutOfBounds,
            Refusal::Other => Self::Other,
        }
    }
}

/// What became of value lists and samples since it was last asked.
///
/// `lists = queued_lists + dropped_lists`, and `queued = delivered + dropped + what waits`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Value lists that became samples.
    pub queued_lists: u64,
    /// Samples that they became.
    pub queued: u64,
    /// Samples that the engine has.
    pub delivered: u64,
    /// Value lists that did not, by reason.
    pub dropped_lists: [u64; ListDrop::ALL.len()],
    /// Samples that it will not have, by reason.
    pub dropped: [u64; SampleDrop::ALL.len()],
}

impl Tally {
    fn drop_list(&mut self, why: ListDrop) {
        self.dropped_lists[why as usize] += 1;
    }

    fn drop_samples(&mut self, why: SampleDrop, samples: usize) {
        self.dropped[why as usize] += samples as u64;
    }
}

/// See the module. All times are in milliseconds since the epoch.
#[derive(Debug)]
pub struct Queue {
    settings: Settings,
    types: Arc<TypesDb>,
    lists: Lists,
    series: SeriesTable,
    batches: Batches,
    forgotten_at: i64,
    tally: Tally,
}

impl Queue {
    /// Empty.
    pub fn new(settings: Settings, types: Arc<TypesDb>) -> Self {
        Self {
            settings,
            types,
            lists: Lists::default(),
            series: SeriesTable::default(),
            batches: Batches::default(),
            forgotten_at: i64::MIN,
            tally: Tally::default(),
        }
    }

    /// Goes on with other settings. What waits stays.
    pub fn change(&mut self, settings: Settings, types: Arc<TypesDb>) {
        let of = |settings: &Settings| (settings.labels.clone(), settings.relabel.clone());
        if of(&settings) != of(&self.settings) || *types != *self.types {
            // Which value lists have which series may be otherwise now.
            self.lists.clear();
        }
        self.settings = settings;
        self.types = types;
    }

    /// What became of all since this was last asked.
    pub fn tally(&mut self) -> Tally {
        std::mem::take(&mut self.tally)
    }

    /// Samples that wait, those in flight included.
    pub fn waiting(&self) -> usize {
        self.batches.waiting()
    }

    /// Bytes in use.
    pub fn bytes(&self) -> usize {
        self.batches.bytes() + self.lists.bytes() + self.series.bytes()
    }

    /// How many series are remembered.
    pub fn series(&self) -> usize {
        self.series.len()
    }

    /// When the oldest of what waits, and is not in flight, came.
    pub fn since(&self) -> Option<i64> {
        self.batches.front().map(|batch| batch.since)
    }

    /// Value lists that it was given since it was last asked for the [tally](Self::tally).
    pub fn lists(&self) -> u64 {
        self.tally.queued_lists + self.tally.dropped_lists.iter().sum::<u64>()
    }

    /// Takes note that there was no memory for so many value lists before they came here.
    pub fn lose_lists(&mut self, lists: u64) {
        self.tally.dropped_lists[ListDrop::Full as usize] += lists;
    }

    /// Takes a value list.
    pub fn push(&mut self, list: &ValueListRef<'_>, now: i64) {
        self.forget(now);
        if !self.make_room(now) {
            self.tally.drop_list(ListDrop::Full);
            return;
        }
        let Self { settings, types, lists, series, batches, tally, .. } = self;
        let places = match lists.find(list, now) {
            Some(places) => places,
            None => match remember(list, types, settings, lists, series, now) {
                Ok(places) => places,
                Err(why) => return tally.drop_list(why),
            },
        };
        tally.queued_lists += 1;
        tally.queued += places.len() as u64;
        let milliseconds = milliseconds(list.time);
        let age = now.saturating_sub(milliseconds);
        for (&(place, kind), (_, bytes)) in places.iter().zip(list.values.raw()) {
            let Some((place, series)) = place.and_then(|place| Some((place, series.get_mut(place)?))) else {
                tally.drop_samples(SampleDrop::Relabel, 1);
                continue;
            };
            series.see(now);
            let why = if age < -settings.max_ahead {
                SampleDrop::Future
            } else if age > settings.max_age {
                SampleDrop::TooOld
            } else {
                match series.add(milliseconds) {
                    Order::Older => SampleDrop::Old,
                    Order::Equal => SampleDrop::Duplicate,
                    Order::Newer => {
                        let sample = Waiting { series: place, milliseconds, value: number(kind, bytes) };
                        batches.add(sample, settings.batch_samples, now);
                        continue;
                    }
                }
            };
            tally.drop_samples(why, 1);
        }
    }

    /// The oldest samples, if there are as many as a request may have, they have been gathered long enough, or `at_once`.
    /// They count as waiting until they are [done](Self::finish) with.
    pub fn take(&mut self, now: i64, at_once: bool) -> Option<Batch> {
        loop {
            let front = self.batches.front()?;
            let is_gathered =
                now.saturating_sub(front.since) >= self.settings.batch_delay || now < front.since;
            let is_full = self.batches.len() > 1 || front.len() >= self.settings.batch_samples;
            if !at_once && !is_gathered && !is_full {
                return None;
            }
            let mut batch = self.batches.take()?;
            let least = now.saturating_sub(self.settings.max_age);
            if batch.samples.iter().any(|sample| sample.milliseconds < least) {
                self.drop_older(&mut batch, least);
            }
            if batch.is_empty() {
                self.batches.finish(batch);
                continue;
            }
            // A series stands once in a request. Its samples came in order, and stay so.
            if !batch.samples.is_sorted_by_key(|sample| sample.series) {
                batch.samples.sort_by_key(|sample| sample.series);
            }
            return Some(batch);
        }
    }

    #[cold]
    fn drop_older(&mut self, batch: &mut Batch, least: i64) {
        let before = batch.len();
        batch.samples.retain(|sample| {
            let stays = sample.milliseconds >= least;
            if !stays {
                self.series.done(sample.series);
            }
            stays
        });
        self.batches.done(before - batch.len());
        self.tally.drop_samples(SampleDrop::TooOld, before - batch.len());
    }

    /// Appends the body of a request for some samples of a batch, not compressed.
    pub fn write_body(&self, batch: &Batch, range: Range<usize>, body: &mut Vec<u8>) {
        for of_series in batch.samples[range].chunk_by(|one, next| one.series == next.series) {
            let samples = of_series.iter().map(|sample| (sample.milliseconds, sample.value));
            push_series(body, self.series.labels(of_series[0].series), samples);
        }
    }

    /// The labels of a sample, for who looks at one.
    pub fn labels(&self, batch: &Batch, at: usize) -> &[u8] {
        self.series.labels(batch.samples[at].series)
    }

    /// Takes note that the engine has samples of a batch.
    pub fn delivered(&mut self, batch: &Batch, range: Range<usize>) {
        self.tally.delivered += range.len() as u64;
        self.done(batch, range);
    }

    /// Takes note that the engine will not have samples of a batch.
    pub fn dropped(&mut self, batch: &Batch, range: Range<usize>, why: SampleDrop) {
        self.tally.drop_samples(why, range.len());
        self.done(batch, range);
    }

    fn done(&mut self, batch: &Batch, range: Range<usize>) {
        self.batches.done(range.len());
        batch.samples[range].iter().for_each(|sample| self.series.done(sample.series));
    }

    /// Takes the memory of a batch back, all samples of which are done with.
    pub fn finish(&mut self, batch: Batch) {
        self.batches.finish(batch);
    }

    /// Forgets the series that nobody has named for long, and frees the memory that is kept for the next batch. It is seldom
    /// done; [`push`](Self::push) asks for it, and who has nothing to push may.
    pub fn forget(&mut self, now: i64) {
        // The clock may have been set back.
        if now.saturating_sub(self.forgotten_at) >= FORGET_EVERY || now < self.forgotten_at {
            self.forgotten_at = now;
            self.batches.free_spare();
            self.forget_unseen(FORGET_AFTER, now);
        }
    }

    /// Forgets the value lists that were not seen for so long, and the series that nothing waits for besides. A clock that
    /// ran ahead keeps none of them.
    fn forget_unseen(&mut self, unseen: i64, now: i64) {
        let since = now - unseen;
        self.lists.forget(since, now);
        let moved = self.series.forget(since, now);
        if !moved.is_empty() {
            self.lists.renumber(&moved);
        }
        // Who names a series sees it.
        debug_assert!(
            self.lists.series().all(|number| self.series.is_known(number)),
            "a list has lost its series"
        );
    }

    /// Whether there is memory for one more value list. Series that nothing waits for are forgotten for it, then the
    /// oldest samples dropped, and each time more than is needed, so that it is seldom done.
    fn make_room(&mut self, now: i64) -> bool {
        if self.bytes() <= self.settings.max_memory {
            return true;
        }
        let enough = self.settings.max_memory - self.settings.max_memory / 8;
        self.batches.free_spare();
        for unseen in FORGET_IN_NEED {
            self.forget_unseen(unseen, now);
            if self.bytes() <= enough {
                return true;
            }
        }
        while self.bytes() > enough {
            let Some(oldest) = self.batches.take() else { break };
            self.dropped(&oldest, 0..oldest.len(), SampleDrop::Full);
            self.finish(oldest);
            self.batches.free_spare();
            if self.bytes() > enough && self.batches.is_empty() {
                self.forget_unseen(ALL_OF_THEM, now);
            }
        }
        self.bytes() <= self.settings.max_memory
    }
}

/// Takes note of a value list that is not known, and of the series that its values belong to.
#[cold]
fn remember<'l>(
    list: &ValueListRef<'_>,
    types: &TypesDb,
    settings: &Settings,
    lists: &'l mut Lists,
    series: &mut SeriesTable,
    now: i64,
) -> Result<&'l [Place], ListDrop> {
    let places = sources(list, types)?.iter().map(|source| {
        let labels = labels(&list.identifier, source, &settings.labels);
        let is_kept = settings.relabel.iter().all(|rule| rule.keeps(&labels));
        (is_kept.then(|| series.of_labels(encode_labels(&labels), now)), source.kind)
    });
    Ok(lists.insert(&list.identifier, places.collect(), now))
}
