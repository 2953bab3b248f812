//! The value lists of one host that follow one another in a datagram, and what is found of them on the way.

use std::iter::once;
use std::ops::Range;

use coco_core::wire::{IdentifierSpans, Span};

use super::tally::{Tally, verdict};
use crate::batch::{Item, Verdict};
use crate::memory::{HostId, Joined, Marks, Memory, NameId, Sequence};
use crate::share::{ShareLists, Start};

/// See the module.
pub(super) struct Run {
    /// In the stretch.
    pub(super) items: Range<u32>,
    /// The hash of its host's name, and where that stands.
    pub(super) hash: u64,
    pub(super) name: Span,
    /// Its host, once that is found. `None` if there was no room to remember it.
    pub(super) host: Option<HostId>,
    /// Where its shares start in the batch.
    pub(super) shares: Start,
    /// Those of the host.
    pub(super) marks: Marks,
}

/// A value list whose metric is still to be looked up.
#[derive(Clone, Copy)]
pub(super) struct Probe {
    pub(super) item: u32,
    pub(super) host: Option<HostId>,
    pub(super) shares: Start,
    pub(super) name: Option<NameId>,
    pub(super) hash: u64,
    /// Whether it is a run by itself.
    pub(super) alone: bool,
}

/// What value lists of a datagram are looked up by.
pub(super) struct Look<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) memory: &'a mut Memory,
    /// The name at hand.
    pub(super) joined: &'a mut Joined,
    pub(super) now: u32,
}

impl Look<'_> {
    /// Of a value list of a run, whose metric's name is looked up.
    #[inline(always)]
    pub(super) fn probe(&mut self, run: &Run, item: u32, spans: &IdentifierSpans) -> Probe {
        let joined = self.joined.of(self.bytes, spans);
        let hash = self.memory.hash(joined);
        let name = self.memory.find_joined(hash, joined);
        Probe { item, host: run.host, shares: run.shares, name, hash, alone: false }
    }

    /// Finds a metric of a run that was not expected by its name, and at once, since it tells which one to expect next.
    #[inline(never)]
    fn unexpected(&mut self, run: &Run, item: u32, spans: &IdentifierSpans) -> Result<bool, Probe> {
        let probe = self.probe(run, item, spans);
        let named = probe.host.zip(probe.name);
        named.and_then(|(host, name)| self.memory.see_unexpected(host, name, self.now)).ok_or(probe)
    }
}

impl Run {
    /// Of one value list, whose host's name stands there and has this hash.
    #[inline]
    pub(super) fn new(item: u32, name: Span, hash: u64) -> Self {
        let (items, shares, marks) = (item..item + 1, Start::default(), Marks::default());
        Self { items, hash, name, host: None, shares, marks }
    }

    /// Takes over what is remembered of its host, and adds the shares of that.
    #[inline]
    pub(super) fn take(&mut self, host: HostId, memory: &Memory, lists: &mut ShareLists) {
        let (shares, marks) = memory.shares(host);
        (self.host, self.shares, self.marks) = (Some(host), lists.add(shares), marks);
    }

    /// Finds its metrics, most of which are expected where they come. Those that are not known are left to probe.
    pub(super) fn find(
        &self,
        items: &mut [Item],
        look: &mut Look<'_>,
        probes: &mut Vec<Probe>,
        tally: &mut Tally,
    ) {
        let (bytes, now) = (look.bytes, look.now);
        let mut sequence = self.host.and_then(|host| look.memory.sequence(host));
        // Which value list was seen last, if that is the host's last metric.
        let mut last: Option<usize> = None;
        let (mut found, mut rejected) = (0, 0);
        for index in 0..items.len() {
            if items[index].verdict != Verdict::Pending {
                continue;
            }
            let spans = &items[index].spans.identifier;
            let unchanged = last.map_or(0, |last| unchanged(&items[last].spans.identifier, spans));
            let mut known = sequence.as_mut().and_then(|sequence| match unchanged {
                3 => see_sibling(sequence, spans, bytes, now),
                _ => see_changed(sequence, unchanged, spans, bytes, now),
            });
            if known.is_none() {
                match look.unexpected(self, self.items.start + index as u32, spans) {
                    Ok(rejected) => known = Some(rejected),
                    Err(probe) => probes.push(probe),
                }
                sequence = self.host.and_then(|host| look.memory.sequence(host));
            }
            last = known.map(|is_rejected| {
                found += 1;
                rejected += u64::from(is_rejected);
                items[index].verdict = verdict(is_rejected, self.shares);
                index
            });
        }
        tally.accepted += found - rejected;
        tally.rejected += rejected;
    }
}

/// Sees a metric of which only the last part is not that of the last one: most are so.
#[inline(always)]
fn see_sibling(sequence: &mut Sequence<'_>, spans: &IdentifierSpans, bytes: &[u8], now: u32) -> Option<bool> {
    let (length, part) = (length(spans), spans.type_instance);
    sequence.see(3, length - part.length(), once(part.of(bytes)), length, now)
}

/// Sees a metric of which so many of the first parts are those of the last one.
///
/// Apart from the loop that it is called in, whose values so stay in registers.
#[inline(never)]
fn see_changed(
    sequence: &mut Sequence<'_>,
    unchanged: usize,
    spans: &IdentifierSpans,
    bytes: &[u8],
    now: u32,
) -> Option<bool> {
    let IdentifierSpans { plugin, plugin_instance, type_name, type_instance, .. } = *spans;
    let parts = [plugin, plugin_instance, type_name, type_instance];
    let (same, changed) = parts.split_at_checked(unchanged)?;
    let start = same.iter().map(|part| part.length() + 1).sum();
    let changed = changed.iter().map(|part| part.of(bytes));
    sequence.see(unchanged, start, changed, length(spans), now)
}

/// Bytes of a metric's name, with a NUL between two of its four parts.
#[inline]
fn length(spans: &IdentifierSpans) -> usize {
    spans.metric_length() + 3
}

/// Number of parts of a metric's name, from the first on, that stand where those of another value list do; the last one
/// does not count.
#[inline]
fn unchanged(one: &IdentifierSpans, other: &IdentifierSpans) -> usize {
    let plugin = one.plugin == other.plugin;
    let plugin_instance = plugin && one.plugin_instance == other.plugin_instance;
    let type_name = plugin_instance && one.type_name == other.type_name;
    usize::from(plugin) + usize::from(plugin_instance) + usize::from(type_name)
}
