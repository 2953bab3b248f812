//! Whose metrics are looked at when what has been silent for too long is forgotten.

use super::*;

/// By less than the time since all were looked at.
#[test]
fn a_clock_that_is_set_back_has_all_looked_at_again() {
    let mut memory = Memory::new(1 << 20);
    see(&mut memory, b"a", METRICS[0], 1000);
    expire_all(&mut memory, 1000, 100);
    see(&mut memory, b"a", METRICS[0], 1050);
    expire_all(&mut memory, 1050, 100);
    for now in [1020, 1120] {
        expire_all(&mut memory, now, 100);
        assert_eq!(memory.metrics(), 1, "at {now}");
    }
    expire_all(&mut memory, 1121, 100);
    assert_eq!(memory.metrics(), 0);
}

#[test]
fn a_host_that_cannot_have_a_silent_metric_is_passed_by() {
    let mut memory = Memory::new(usize::MAX);
    for host in 0..8_u8 {
        let id = memory.add_host(&[host], &[Share::new(0)], &ByLength::default(), 1001).unwrap();
        assert!((0..3000).all(|metric| add_numbered(&mut memory, id, metric, 1001)));
    }
    assert!(memory.expire(0, 1002, 10).is_some(), "more metrics than are looked at in one turn");
    expire_all(&mut memory, 1002, 10);
    assert_eq!(memory.expire(0, 1011, 10), None);
    assert!(memory.expire(0, 1012, 10).is_some(), "all of them have been silent for too long");
    expire_all(&mut memory, 1012, 10);
    assert_eq!((memory.hosts(), memory.metrics()), (0, 0));
}
