//! What is remembered against a naive model.

use super::*;

#[derive(Debug, Clone, Copy)]
enum Step {
    See(usize, usize),
    Expire(u32),
    /// Other shares, other verdicts.
    Reload(bool, bool),
    Renew,
}

fn steps() -> impl Strategy<Value = Vec<(u32, Step)>> {
    let see = (0..HOSTS.len(), 0..METRICS.len()).prop_map(|(host, metric)| Step::See(host, metric));
    vec(
        (
            0_u32..3,
            prop_oneof![8 => see, 1 => (0_u32..12).prop_map(Step::Expire),
        1 => any::<(bool, bool)>().prop_map(|(shares, verdicts)| Step::Reload(shares, verdicts)),
        1 => Just(Step::Renew)],
        ),
        0..200,
    )
}

proptest! {
    #[test]
    fn agrees_with_a_naive_model(limit in prop_oneof![0_usize..220_000, Just(1 << 20)], steps in steps()) {
        let mut memory = Memory::new(limit);
        let mut model = Model::new();
        let mut judge = ByLength::default();
        let mut now = 1000;
        for (passed, step) in steps {
            now += passed;
            match step {
                Step::See(host, metric) => {
                    let (host, parts) = (HOSTS[host], METRICS[metric]);
                    let used = memory.used();
                    let (id, remembered) = see_by(judge, &mut memory, host, parts, now);
                    let full = used + DEAREST > limit;
                    prop_assert!(id.is_some() || (full && !model.contains_key(host)));
                    if id.is_some() {
                        let host_model = model.entry(host.to_vec()).or_default();
                        host_model.seen = now;
                        let known = host_model.metrics.contains_key(&owned(parts));
                        prop_assert!(remembered || (full && !known), "what is there is found, what fits is added");
                        if remembered {
                            host_model.metrics.insert(owned(parts), (false, now));
                        }
                    }
                }
                Step::Expire(age) => {
                    let time = now - age;
                    expire_all(&mut memory, now, age);
                    for host in model.values_mut() {
                        host.metrics.retain(|_, (_, seen)| *seen >= time);
                    }
                    model.retain(|_, host| !host.metrics.is_empty());
                }
                Step::Reload(shares, verdicts) => {
                    judge.version.shares += u32::from(shares);
                    judge.version.verdicts += u32::from(verdicts);
                }
                Step::Renew => prop_assert_eq!(memory.renew_some(0, &mut judge), None),
            }
            // Whoever reads sees the verdicts of its own time, on what was decided before too.
            for (host, of_host) in &mut model {
                for (parts, (rejected, _)) in &mut of_host.metrics {
                    let parts = METRICS.into_iter().find(|known| owned(*known) == *parts).unwrap();
                    *rejected = judge.verdict(host, parts);
                }
            }
            prop_assert!(memory.used() <= limit.max(empty()));
            prop_assert_eq!(memory.hosts(), model.len());
            prop_assert_eq!(memory.metrics(), model.values().map(|host| host.metrics.len()).sum::<usize>());
        }
        for (name, host) in &model {
            prop_assert_eq!(metrics_of(&memory, name, judge).unwrap().len(), host.metrics.len());
        }
        model.values_mut().for_each(|host| host.seen = 0);
        prop_assert_eq!(contents_by(judge, &memory), model);
        expire_all(&mut memory, now + 1, 0);
        prop_assert_eq!((memory.hosts(), memory.metrics()), (0, 0));
        prop_assert!(memory.used() <= empty() + DEAREST, "{}", memory.used());
    }
}
