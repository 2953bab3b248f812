//! Metrics that come in the order in which they came before.

use super::*;

proptest! {
    /// However names come and go, and take each other's numbers.
    #[test]
    fn who_is_expected_is_who_has_come(
        steps in vec((0..METRICS.len(), 1_u32..4, any::<bool>(), 0_u8..12), 1..200),
    ) {
        let mut memory = Memory::new(1 << 20);
        let (mut model, mut last, mut now) = (BTreeMap::new(), None::<Parts>, 100);
        for (metric, later, goes_on, expires) in steps {
            now += later;
            if expires == 0 {
                expire_all(&mut memory, now, 6);
                model.retain(|_, seen| now - *seen <= 6);
            }
            // As in a run of value lists, which no expiry interrupts.
            let before = last.take().filter(|_| goes_on && expires > 0);
            let parts = METRICS[metric];
            let host = memory.find_host(b"a", now).or_else(|| memory.add_host(b"a", &[], &ByLength::default(), now)).unwrap();
            let unchanged = before.map_or(0, |before| alike(before, parts));
            if see_next(&mut memory, host, parts, unchanged, now).is_some() {
                last = Some(parts);
            } else {
                let hash = hash_of(&memory, parts);
                let name = memory.find_name(hash, parts);
                if name.and_then(|name| memory.see_unexpected(host, name, now)).is_some() {
                    last = Some(parts);
                } else {
                    let name = memory.add_metric(host, hash, parts, now, false).unwrap();
                    memory.learn_order(host, name);
                }
            }
            model.insert(owned(parts), now);
            let seen: BTreeMap<_, _> = metrics_of(&memory, b"a", ByLength::default())
                .unwrap()
                .into_iter()
                .map(|(parts, (_, seen))| (parts, seen))
                .collect();
            prop_assert_eq!(&seen, &model);
        }
    }
}

/// As the filter sees a metric of which so many parts are those of the last one.
fn see_next(memory: &mut Memory, host: HostId, parts: Parts, unchanged: usize, now: u32) -> Option<bool> {
    let length = 3 + parts.iter().map(|part| part.len()).sum::<usize>();
    let (same, changed) = parts.split_at(unchanged);
    let start = same.iter().map(|part| part.len() + 1).sum();
    memory.sequence(host)?.see(unchanged, start, changed.iter().copied(), length, now)
}

/// How many of their first parts are equal, but for the last.
fn alike(one: Parts, other: Parts) -> usize {
    one.iter().zip(&other).take(3).take_while(|(one, other)| one == other).count()
}

#[test]
fn in_an_order_that_is_known_only_changed_parts_are_compared() {
    let mut memory = Memory::new(1 << 20);
    let host = memory.add_host(b"a", &[], &ByLength::default(), 1).unwrap();
    for now in 1..4 {
        let mut last = None;
        for parts in METRICS {
            let unchanged = last.map_or(0, |last| alike(last, parts));
            let expected = see_next(&mut memory, host, parts, unchanged, now);
            assert_eq!(expected.is_some(), now == 3 || now == 2 && parts != METRICS[0]);
            if expected.is_none() {
                let hash = hash_of(&memory, parts);
                let known = memory.find_name(hash, parts);
                let name = known.or_else(|| memory.add_metric(host, hash, parts, now, false)).unwrap();
                memory.see_unexpected(host, name, now).unwrap();
            }
            last = Some(parts);
        }
    }
    // Whose first part is not that of the one before can't follow where it is said to be.
    assert_eq!(see_next(&mut memory, host, METRICS[0], 1, 4), None);
    assert_eq!(see_next(&mut memory, host, METRICS[0], 0, 4), Some(false));
}
