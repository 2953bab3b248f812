//! In which keys two files differ, by their names alone: for the log of a reload.

use super::Program;
use super::keys::{KEYS, TIER};
use super::written::{Written, path};

impl Written {
    /// The paths of these keys as far as `program` reads them, in the order of `new`; a target stands for
    /// `tiers.NAME.targets`, a tier that only one of them has for itself.
    pub fn changed(&self, new: &Self, program: Program) -> Vec<String> {
        let is_read = |section: &str, name: &str| {
            let key = KEYS.iter().find(|key| key.section == section && key.name == name);
            key.is_none_or(|key| key.read_by.contains(&program))
        };
        let is_top = |key: &&String| key.split_once('.').is_none_or(|(section, name)| is_read(section, name));
        let mut changed: Vec<_> = differing(&self.keys, &new.keys).filter(is_top).cloned().collect();
        for tier in &new.tiers {
            let place = path("tiers", &tier.name);
            let Some(old) = self.tier(&tier.name) else {
                changed.push(place);
                continue;
            };
            let keys = differing(&old.keys, &tier.keys).filter(|name| is_read(TIER, name));
            changed.extend(keys.map(|name| path(&place, name)));
            if old.targets != tier.targets {
                changed.push(path(&place, "targets"));
            }
        }
        let gone = self.tiers.iter().filter(|tier| new.tier(&tier.name).is_none());
        changed.extend(gone.map(|tier| path("tiers", &tier.name)));
        let tiers = |written: &Self| written.tiers.iter().map(|tier| tier.name.clone()).collect::<Vec<_>>();
        if changed.is_empty() && tiers(self) != tiers(new) {
            changed.push("tiers".to_owned());
        }
        changed
    }
}

/// The names of what stands in one of them only, or has another value.
fn differing<'a>(
    old: &'a [(String, String)],
    new: &'a [(String, String)],
) -> impl Iterator<Item = &'a String> {
    let value = |of: &'a [(String, String)], name: &String| {
        of.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    };
    let changed = new.iter().filter(move |(name, new)| value(old, name) != Some(new));
    let gone = old.iter().filter(move |(name, _)| value(new, name).is_none());
    changed.chain(gone).map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "[listen]\nallow = ['10.0.0.0/8']\n[fetch]\nbind = ':9080'\n[log]\nlevel = 'info'\n\
                       [tiers.a]\nsecurity_level = 'None'\ntargets = ['a:1', 'b:1']\n[tiers.\"b c\"]\ntargets = ['c:1']\n";

    fn changed(new: &str, program: Program) -> Vec<String> {
        Written::parse(OLD).changed(&Written::parse(new), program)
    }

    #[test]
    fn keys_that_a_program_reads_are_named_by_their_paths() {
        let new = OLD
            .replace("'info'", "'warn'\naccess = true")
            .replace(":9080", ":9081")
            .replace("allow = ['10.0.0.0/8']\n", "")
            .replace("'None'", "'Sign'")
            .replace("'a:1', 'b:1'", "'b:1', 'a:1'");
        let of_coco =
            ["log.level", "log.access", "listen.allow", "tiers.a.security_level", "tiers.a.targets"];
        assert_eq!(changed(&new, Program::Coco), of_coco);
        assert_eq!(
            changed(&new, Program::Noodle),
            ["fetch.bind", "log.level", "log.access", "tiers.a.targets"]
        );
        assert_eq!(changed(OLD, Program::Coco), [""; 0]);
    }

    #[test]
    fn a_tier_that_came_or_went_stands_for_all_its_keys_and_an_order_for_all_tiers() {
        assert_eq!(changed(&OLD.replace("[tiers.a]", "[tiers.d]"), Program::Coco), ["tiers.d", "tiers.a"]);
        let gone = &OLD[..OLD.find("[tiers.\"b c\"]").unwrap()];
        assert_eq!(changed(gone, Program::Coco), ["tiers.\"b c\""]);
        let (a, b) = OLD.split_at(OLD.find("[tiers.a]").unwrap());
        let (tier_a, tier_b) = b.split_at(b.find("[tiers.\"b c\"]").unwrap());
        assert_eq!(changed(&format!("{a}{tier_b}{tier_a}"), Program::Coco), ["tiers"]);
    }
}
