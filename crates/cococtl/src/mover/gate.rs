//! When files may move: every Coco writes the hosts to both owners, for longer than nodes keep values in memory.

use coco_core::placement::canary::Percentage;
use coco_core::tier::Tiers;
use serde::Deserialize;
use std::collections::BTreeMap;

use crate::tier_state::Members;

/// A tier in `/tiers`, as far as it is asked for.
#[derive(Debug, Deserialize)]
pub struct RunningTier {
    /// Its name.
    pub name: String,
    /// That of all that it routes by. The original has none.
    pub fingerprint: Option<String>,
    /// While hosts are on their way.
    pub migration: Option<RunningMigration>,
    /// By target and host.
    #[serde(default)]
    pub routes: BTreeMap<String, BTreeMap<String, Members>>,
}

/// How far they are.
#[derive(Debug, Deserialize)]
pub struct RunningMigration {
    /// Since when the shares are as they are, in Unix seconds.
    pub since: Option<u64>,
}

/// What is to be done, and so what has to be running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Moving: the configuration, for long enough.
    Move,
    /// Removing what former owners have: they are written to by none, for long enough.
    Remove,
}

/// Why nothing may be done yet; empty where it may.
pub fn closed(
    tiers: &Tiers,
    running: &[RunningTier],
    purpose: Purpose,
    now: u64,
    cache_seconds: u64,
) -> Vec<String> {
    let mut reasons = Vec::new();
    for tier in tiers {
        let Some(moving) = tier.moving() else { continue };
        let name = tier.name();
        if purpose == Purpose::Remove && moving.headway().new_only() != Percentage::ALL {
            reasons.push(format!(
                "tiers.{name}: `new` is not 100% in the configuration: former owners are written to"
            ));
            continue;
        }
        let Some(there) = running.iter().find(|there| there.name == name) else {
            reasons.push(format!("tiers.{name}: it has no such tier"));
            continue;
        };
        let is = |fingerprint: String| there.fingerprint.as_deref() == Some(fingerprint.as_str());
        if purpose == Purpose::Remove && is(moving.new_tier().fingerprint().to_string()) {
            continue;
        }
        if !is(tier.fingerprint().to_string()) {
            let shown = there.fingerprint.as_deref().unwrap_or("none");
            reasons.push(format!(
                "tiers.{name}: it does not route by this configuration: its fingerprint is {shown}, that of the \
                 configuration {}",
                tier.fingerprint()
            ));
            continue;
        }
        match there.migration.as_ref().and_then(|migration| migration.since) {
            None => reasons.push(format!("tiers.{name}: it does not say since when its shares are as they are")),
            Some(since) if now.saturating_sub(since) < cache_seconds => reasons.push(format!(
                "tiers.{name}: its shares are as they are for {} s: wait until it is {cache_seconds} s, for as long as \
                 nodes keep values in memory",
                now.saturating_sub(since)
            )),
            Some(_) => {}
        }
    }
    reasons
}

#[cfg(test)]
mod tests {
    use coco_core::config::CocoConfig;
    use serde_json::json;

    use super::*;

    fn tiers(both: &str, new: &str) -> Tiers {
        let text = format!(
            "[listen]\nbind = '127.0.0.1:0'\ntypesdb = '/dev/null'\n[tiers.a]\nhash = 'rendezvous'\n\
             targets = ['s1:1', {{ address = 's2:1', state = 'draining' }}]\nmigration = {{ both = '{both}', new = '{new}' }}\n"
        );
        CocoConfig::parse(&text).unwrap().tiers
    }

    fn running(tiers: &Tiers, since: Option<u64>) -> Vec<RunningTier> {
        let fingerprint = tiers.get(0).unwrap().fingerprint().to_string();
        let tier =
            json!({"name": "a", "fingerprint": fingerprint, "migration": {"both": "100%", "since": since}});
        vec![serde_json::from_value(tier).unwrap()]
    }

    #[test]
    fn it_opens_when_the_same_shares_are_running_for_longer_than_the_cache() {
        let tiers = tiers("100%", "0%");
        let closed = |running: &[RunningTier]| closed(&tiers, running, Purpose::Move, 1_000, 120);
        assert_eq!(closed(&running(&tiers, Some(880))), Vec::<String>::new());
        assert!(closed(&running(&tiers, Some(881)))[0].contains("for 119 s: wait until it is 120 s"));
        assert!(closed(&running(&tiers, None))[0].contains("since when"));
        assert!(closed(&running(&self::tiers("50%", "0%"), Some(1)))[0].contains("does not route by this"));
        assert!(closed(&[])[0].contains("no such tier"));
    }

    #[test]
    fn nothing_is_removed_while_former_owners_are_written_to() {
        let (both, new) = (tiers("100%", "0%"), tiers("100%", "100%"));
        let closed =
            |tiers: &Tiers, running: &[RunningTier]| closed(tiers, running, Purpose::Remove, 1_000, 120);
        assert!(closed(&both, &running(&both, Some(1)))[0].contains("`new` is not 100%"));
        assert!(closed(&new, &running(&both, Some(1)))[0].contains("does not route by this"));
        assert_eq!(closed(&new, &running(&new, Some(1))), Vec::<String>::new());
        let settled = new.get(0).unwrap().settled().fingerprint().to_string();
        let settled: RunningTier =
            serde_json::from_value(json!({"name": "a", "fingerprint": settled})).unwrap();
        assert_eq!(closed(&new, &[settled]), Vec::<String>::new());
    }
}
