//! What a plan says to programs.

use std::io::{self, Write};

use coco_core::tier::Tier;
use serde_json::{Value, json};

use super::moves::{Change, Copies, Load};
use super::{Plan, settings};
use crate::distribution::ratio;
use crate::text;

/// What the objects are.
pub(super) const HELP: &str = r#"With --json, one object:

  {"old", "new", "hosts", "kind", "warnings": [text], "sources": [{"api", "hosts", "since"}],
   "differences": [{"key", "old", "new", "default"}],
   "blacklist": {"metrics", "newly_dropped", "newly_sent"} or null,
   "tiers": [{"name", "change": "same" or "changed", "moved", "metrics", "share", "ideal",
              "largest": {"before", "after"}, "moves": [{"from", "to", "hosts", "metrics"}],
              "disks": [{"target", "arriving", "metrics", "leaving"}],
              "cheaper": {"virtual_replicas", "targets", "moved", "share", "largest", "reasons"} or null},
             {"name", "change": "added" or "removed"}]}

old, new: fingerprints. kind: what the hosts are. since: when a Coco began to remember hosts, in Unix seconds.
differences: of all keys but those that place hosts (hash, replicas, virtual_replicas), and of targets that both have; null
where a file does not say. blacklist: what another one
does to the metrics that --api tells. moved: copies of hosts, of which there is
one unless a tier has replicas. disks: hosts that a target gets and that it is rid of. metrics: null unless --api tells them.
ideal: the share that must move however it is done: what targets have more than before. largest: the largest share, as a multiple of the mean.
Shares are from 0 to 1.

With --moves, one object a line for each copy of a host that moves, tier by tier:

  {"tier", "host", "from", "to", "metrics"}

from, to: addresses of targets. Where a host gets a further copy, from has one and keeps it. metrics: null unless --api tells them.
Of a name that is not UTF-8, each byte that is not stands as U+0000 and two hexadecimal digits. Warnings are on standard error."#;

impl Plan<'_> {
    /// Each copy that moves, an object a line; warnings aside.
    pub(super) fn write_moves(&self, out: &mut impl Write) -> io::Result<()> {
        for warning in &self.warnings {
            writeln!(io::stderr(), "cococtl: warning: {}", text::Line(warning))?;
        }
        for change in &self.changes {
            let mut copies = Copies::new(change.old, change.new);
            for (host, metrics) in self.hosts.with_metrics() {
                for &(from, to) in copies.of(host) {
                    let object = json!({
                        "tier": change.new.name(),
                        "host": text::in_json(host),
                        "from": change.old.targets()[from].name,
                        "to": change.new.targets()[to].name,
                        "metrics": self.hosts.knows_metrics().then_some(metrics),
                    });
                    writeln!(out, "{object}")?;
                }
            }
        }
        Ok(())
    }

    /// All of it.
    pub(super) fn object(&self) -> Value {
        let only = |tiers: &[&Tier], change: &str| -> Vec<_> {
            tiers.iter().map(|tier| json!({ "name": tier.name(), "change": change })).collect()
        };
        let changes: Vec<_> = self.changes.iter().map(|change| self.change_object(change)).collect();
        let tiers = [changes, only(&self.added, "added"), only(&self.removed, "removed")].concat();
        json!({
            "old": self.old.fingerprint().to_string(),
            "new": self.new.fingerprint().to_string(),
            "hosts": self.hosts.names().len(),
            "kind": self.hosts.kind,
            "warnings": self.warnings,
            "sources": self.hosts.sources.iter().map(|source| json!({
                "api": source.root.to_string(), "hosts": source.hosts, "since": source.since,
            })).collect::<Vec<_>>(),
            "differences": self.differences.iter().map(settings::object).collect::<Vec<_>>(),
            "blacklist": self.effect.as_ref().map(|effect| json!({
                "metrics": effect.metrics,
                "newly_dropped": effect.newly_dropped,
                "newly_sent": effect.newly_sent,
            })),
            "tiers": tiers,
        })
    }

    fn change_object(&self, change: &Change<'_>) -> Value {
        let metrics = |load: &Load| self.hosts.knows_metrics().then_some(load.metrics);
        let moves = change.moves.iter().map(|((from, to), load)| {
            json!({
                "from": change.old.targets()[*from].name,
                "to": change.new.targets()[*to].name,
                "hosts": load.hosts,
                "metrics": metrics(load),
            })
        });
        let cheaper = change.cheaper.as_ref().map(|cheaper| {
            json!({
                "virtual_replicas": cheaper.tier.placement().facts().virtual_replicas,
                "targets": cheaper.tier.targets().iter().map(|target| &target.name).collect::<Vec<_>>(),
                "moved": cheaper.moved,
                "share": ratio(cheaper.moved, change.after.copies()),
                "largest": cheaper.after.largest(),
                "reasons": change.reasons(),
            })
        });
        let disks = change.new.targets().iter().enumerate().filter_map(|(place, target)| {
            let arriving = change.arriving.get(&place).copied().unwrap_or_default();
            let leaving = change.leaving_of(target);
            (arriving.hosts + leaving > 0).then(|| {
                json!({
                    "target": target.name,
                    "arriving": arriving.hosts,
                    "metrics": metrics(&arriving),
                    "leaving": leaving,
                })
            })
        });
        let disks: Vec<_> = disks.collect();
        let same = change.old.fingerprint() == change.new.fingerprint();
        json!({
            "name": change.new.name(),
            "change": if same { "same" } else { "changed" },
            "moved": change.moved.hosts,
            "metrics": metrics(&change.moved),
            "share": change.share(),
            "ideal": change.ideal,
            "largest": { "before": change.before.largest(), "after": change.after.largest() },
            "moves": moves.collect::<Vec<_>>(),
            "disks": disks,
            "cheaper": cheaper,
        })
    }
}
