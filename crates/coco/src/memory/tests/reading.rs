//! What readers may rely on who come by in pieces.

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Two readers may walk at any moment; hosts that are there all the time must appear once in each.
    #[test]
    fn a_walk_in_pieces_sees_once_who_stays(
        hosts in VISITED_AT_ONCE as u32..3 * VISITED_AT_ONCE as u32,
        stays in 1_u32..5,
        newcomers in 0_u32..4000,
    ) {
        let mut memory = Memory::new(usize::MAX);
        let name = |host: u32| format!("host{host}").into_bytes();
        for host in 0..hosts {
            see(&mut memory, &name(host), METRICS[host as usize % 8], 1);
        }
        let staying: BTreeSet<_> = (0..hosts).filter(|host| host % stays == 0).map(name).collect();
        for name in &staying {
            let id = memory.find_host(name, 2).unwrap();
            let metrics = metrics_of(&memory, name, ByLength::default()).unwrap();
            let parts = METRICS.into_iter().find(|parts| metrics.contains_key(&owned(*parts))).unwrap();
            let hash = hash_of(&memory, parts);
            prop_assert!(find(&mut memory, id, hash, parts, 2).is_some());
        }
        let mut seen = Vec::new();
        let mut pieces = 0;
        let (mut next, mut expiry) = (Some(0), Some(0));
        while let Some(from) = next {
            next = memory.visit_hosts(from, &ByLength::default(), |host| seen.push(host.name.to_vec()));
            pieces += 1;
            // Others go between two pieces, a piece of the table at a time, and newcomers take their places.
            expiry = expiry.and_then(|from| memory.expire(from, 2, 0));
            for host in 0..if pieces < 4 { newcomers } else { 0 } {
                see(&mut memory, format!("new{pieces}-{host}").as_bytes(), METRICS[0], 2);
            }
            prop_assert!(pieces < 100);
        }
        prop_assert!(pieces > 1);
        let mut names = seen;
        names.retain(|name| staying.contains(name));
        prop_assert_eq!(names.len(), staying.len());
        prop_assert_eq!(names.into_iter().collect::<BTreeSet<_>>(), staying);
    }
}

/// A reader of a host that has many metrics comes by several times; meanwhile some go, and their numbers get other names.
#[test]
fn a_host_of_many_metrics_is_read_in_pieces() {
    let mut memory = Memory::new(usize::MAX);
    let id = memory.add_host(b"a", &[Share::new(0)], &ByLength::default(), 1).unwrap();
    for metric in 0..MOST_METRICS {
        assert!(add_numbered(&mut memory, id, metric, if metric % 2 == 0 { 2 } else { 1 }));
    }
    let (mut seen, mut unread, mut pieces) = (BTreeSet::new(), Unread::default(), 0);
    let mut judge = ByLength::default();
    memory.visit_metrics(b"a", &mut judge, &mut unread, |_| unreachable!("there are many"));
    while !unread.is_empty() {
        let mut of_piece = 0;
        memory.visit_unread(b"a", &mut judge, &mut unread, |metric| {
            of_piece += 1;
            assert!(seen.insert(metric.name.parts().map(<[u8]>::to_vec).collect::<Vec<_>>()));
        });
        assert!(of_piece <= Unread::budget(), "{of_piece}");
        pieces += 1;
        if pieces == 2 {
            expire_all(&mut memory, 2, 0);
            let other = memory.add_host(b"b", &[Share::new(0)], &ByLength::default(), 2).unwrap();
            (0..MOST_METRICS)
                .for_each(|new| assert!(add_numbered(&mut memory, other, new + MOST_METRICS, 2)));
        }
    }
    assert!(pieces > 4, "{pieces}");
    let stay = (0..MOST_METRICS).step_by(2).map(|metric| numbered(metric).to_vec());
    assert!(stay.into_iter().all(|name| seen.contains(&name)));
    let last = MOST_METRICS.to_string().into_bytes();
    assert!(seen.iter().all(|name| name[1].len() < last.len() || name[1] < last), "none of the other host");
}
