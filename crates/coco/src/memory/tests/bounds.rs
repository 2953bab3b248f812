//! How much is remembered, and what is given back.

use super::*;

#[test]
fn a_name_that_two_hosts_have_outlives_one_of_them() {
    let mut memory = Memory::new(1 << 20);
    for (host, now) in [(&b"a"[..], 1), (b"b", 5)] {
        see(&mut memory, host, METRICS[3], now);
    }
    let both = memory.used();
    expire_all(&mut memory, 6, 3);
    assert!(metrics_of(&memory, b"a", ByLength::default()).is_none());
    assert_eq!(
        contents(&memory)[&b"b"[..]].metrics,
        BTreeMap::from([(owned(METRICS[3]), (rejected(b"b", METRICS[3]), 5))])
    );
    see(&mut memory, b"a", METRICS[3], 6);
    assert!(memory.used() < both + 64 && memory.hosts.len() == 2, "the host's number is used again");
}

#[test]
fn a_full_table_refuses_newcomers_and_serves_who_is_there() {
    let mut memory = Memory::new(130_000);
    let (mut known, mut refused) = (Vec::new(), 0);
    // Of some, tables would have to grow for which there is no room, of others not.
    for host in 0.. {
        let name = format!("host{host}").into_bytes();
        if see(&mut memory, &name, METRICS[0], 1).1 {
            known.push(name);
        } else {
            refused += 1;
        }
        if refused == 2000 {
            break;
        }
    }
    assert!(known.len() > 10);
    for name in &known {
        assert_eq!(see(&mut memory, name, METRICS[0], 2), (memory.find_host(name, 2), true));
    }
    assert!(!see(&mut memory, b"a newcomer with a name too long for what is left", METRICS[3], 2).1);
    expire_all(&mut memory, 2, 0);
    assert_eq!(
        known.iter().filter(|name| metrics_of(&memory, name, ByLength::default()).is_some()).count(),
        known.len()
    );
}

/// Who had many metrics once and has few now must not hold on to memory that is no longer in `used`.
#[test]
fn what_is_forgotten_gives_its_memory_back() {
    let mut memory = Memory::new(usize::MAX);
    let id = memory.add_host(b"a", &[Share::new(0)], &ByLength::default(), 1).unwrap();
    for metric in 0..MOST_METRICS {
        assert!(add_numbered(&mut memory, id, metric, if metric == 7 { 2 } else { 1 }));
    }
    expire_all(&mut memory, 2, 0);
    assert_eq!(memory.metrics(), 1);
    let host = memory.host(id).unwrap();
    assert!(host.metrics.size() < 1000, "{}", host.metrics.size());
    let hash = hash_of(&memory, [b"p", b"7", b"t", b""]);
    assert_eq!(find(&mut memory, id, hash, [b"p", b"7", b"t", b""], 3), Some(false));
}

/// A host is visited whole under the lock: whoever sends endless names of one must not hold up the lane by that.
#[test]
fn of_one_host_so_many_metrics_are_remembered_and_no_more() {
    let mut memory = Memory::new(usize::MAX);
    let id = memory.add_host(b"a", &[Share::new(0)], &ByLength::default(), 1).unwrap();
    let added = (0..MOST_METRICS + 100).filter(|&metric| add_numbered(&mut memory, id, metric, 1)).count();
    assert_eq!((added, memory.metrics()), (MOST_METRICS, MOST_METRICS));
    let used = memory.used();
    assert!(!add_numbered(&mut memory, id, MOST_METRICS, 1));
    assert_eq!(memory.used(), used, "what is not remembered takes no memory");
    let other = memory.add_host(b"b", &[Share::new(0)], &ByLength::default(), 1).unwrap();
    assert!(add_numbered(&mut memory, other, MOST_METRICS, 1));
    expire_all(&mut memory, 3, 1);
    assert_eq!((memory.metrics(), memory.hosts()), (0, 0));
    assert!(memory.used() < empty() + DEAREST, "{}", memory.used());
}

/// A host and the parts of a metric's name, made of a number.
type Kind = fn(&[u8]) -> (Vec<u8>, [&[u8]; 4]);

/// The bound is on what is held, tables that were needed once included; and these go when what was in them goes.
#[test]
fn what_has_been_needed_by_one_kind_of_names_is_there_for_the_next() {
    const LIMIT: usize = 8 << 20;
    let mut memory = Memory::new(LIMIT);
    let numbered = |number: usize| format!("{number:016x}").into_bytes();
    let kinds: [Kind; 3] = [
        |name| (name.to_vec(), [b"p", b"", b"t", b""]),
        |name| (name[..13].to_vec(), [b"p", b"", b"t", name]),
        |name| (name.to_vec(), [b"p", name, b"t", b""]),
    ];
    for (kind, now) in kinds.iter().cycle().zip(1..10) {
        let mut number = now as usize * 1_000_000;
        // Until it is full.
        let remembered = loop {
            let name = numbered(number);
            let (host, parts) = kind(&name);
            if !see(&mut memory, &host, parts, now).1 {
                break memory.metrics();
            }
            assert!(memory.used() <= LIMIT);
            number += 1;
        };
        assert!(remembered > LIMIT / 800, "{remembered} of kind {now}");
        expire_all(&mut memory, now + 2, 1);
        assert_eq!((memory.hosts(), memory.metrics()), (0, 0));
        assert!(memory.used() < empty() + DEAREST, "{} are held by nothing", memory.used());
    }
}

/// Its clock was ten years ahead once, and has been put right.
#[test]
fn what_was_seen_in_the_future_is_silent_from_now_on() {
    const NOW: u32 = 1_795_000_000;
    for ahead in [1, 60, 400 * 86_400, 3650 * 86_400, 12_000 * 86_400] {
        let mut memory = Memory::new(1 << 20);
        see(&mut memory, b"a", METRICS[0], NOW.saturating_add(ahead));
        see(&mut memory, b"b", METRICS[1], NOW);
        let seen =
            |memory: &Memory| metrics_of(memory, b"a", ByLength::default()).unwrap()[&owned(METRICS[0])].1;
        assert_eq!(seen(&memory), NOW, "no later than now");
        expire_all(&mut memory, NOW, 10);
        expire_all(&mut memory, NOW + 10, 10);
        assert_eq!((memory.hosts(), seen(&memory)), (2, NOW), "{ahead}");
        expire_all(&mut memory, NOW + 11, 10);
        assert_eq!((memory.hosts(), memory.metrics()), (0, 0), "{ahead}");
    }
}
