//! Which copies of which hosts go from which nodes to which: the former owners and the new ones, by a configuration.

use std::collections::BTreeMap;

use coco_core::host::stored_name;
use coco_core::placement::migration::{Move, Stage};
use coco_core::tier::{Tier, Tiers};

/// A storage node, by the address of its targets as the configuration has it.
pub type Node = String;

/// A host, by the name of its directory, on its way to one node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Passage {
    /// The name of its directory.
    pub host: Vec<u8>,
    /// Those that have it, the one whose values count first.
    pub from: Vec<Node>,
    /// The one that is to have it.
    pub to: Node,
}

/// Where hosts stand, of those that move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Written to their former owners.
    pub old: u64,
    /// Written to both.
    pub both: u64,
    /// Written to their new owners.
    pub new: u64,
}

/// All ways of a configuration, and what hosts are called of which the directory does not say so.
#[derive(Debug)]
pub struct Ways<'a> {
    tiers: &'a Tiers,
    /// By the names of their directories.
    names: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Whether hosts go back to their former owners.
    back: bool,
}

impl<'a> Ways<'a> {
    /// Those of a configuration, of hosts that go forward or back.
    pub fn new(tiers: &'a Tiers, back: bool) -> Self {
        Self { tiers, names: BTreeMap::new(), back }
    }

    /// Takes note of a host, which may be stored under another name than its own.
    pub fn note_name(&mut self, name: &[u8]) {
        let stored = stored_name(name);
        if &*stored != name {
            self.names.insert(stored.into_owned(), name.to_vec());
        }
    }

    /// The tiers whose hosts are on their way.
    pub fn moving_tiers(&self) -> impl Iterator<Item = &'a Tier> + use<'a> {
        self.tiers.iter().filter(|tier| tier.moving().is_some())
    }

    /// Nodes that hosts come from, and nodes that they go to; those that do both are in both.
    pub fn nodes(&self) -> [Vec<Node>; 2] {
        let (mut from, mut to) = (Vec::new(), Vec::new());
        for moving in self.moving_tiers().filter_map(Tier::moving) {
            let of =
                |tier: &Tier| tier.targets().iter().map(|target| target.name.clone()).collect::<Vec<_>>();
            from.extend(of(moving.former()));
            to.extend(of(moving.new_tier()));
        }
        let mut nodes = if self.back { [to, from] } else { [from, to] };
        for nodes in &mut nodes {
            nodes.sort();
            nodes.dedup();
        }
        nodes
    }

    /// The passages of a host that stands where it is asked for, in any tier. None twice.
    pub fn passages(&self, host: &[u8], stands: impl Fn(Stage) -> bool) -> Vec<Passage> {
        let mut passages: Vec<Passage> = Vec::new();
        let moves = |way: &Move| way.stage != Stage::Settled && stands(way.stage);
        for (tier, way) in self.of(host).filter(|(_, way)| moves(way)) {
            let named = |places: &[usize]| -> Vec<Node> {
                places.iter().map(|place| tier.targets()[*place].name.clone()).collect()
            };
            let (former, owners) = (named(&way.former), named(&way.owners));
            let (from, to) = if self.back { (owners, former) } else { (former, owners) };
            for to in to.into_iter().filter(|to| !from.contains(to)) {
                let passage = Passage { host: host.to_vec(), from: from.clone(), to };
                if !passages.contains(&passage) {
                    passages.push(passage);
                }
            }
        }
        passages
    }

    /// Whether a node has a host that is stored there because some tier says so.
    pub fn belongs(&self, host: &[u8], node: &str) -> bool {
        self.of(host).any(|(tier, way)| {
            way.owners.iter().chain(&way.former).any(|place| tier.targets()[*place].name == node)
        })
    }

    /// Whether a tier writes a host to a node, or will once all is done.
    pub fn is_kept(&self, host: &[u8], node: &str) -> bool {
        self.of(host).any(|(tier, way)| {
            let kept = match (self.back, way.stage) {
                (true, Stage::Old | Stage::Both | Stage::New) => way.former,
                _ => way.owners,
            };
            kept.iter().any(|place| tier.targets()[*place].name == node)
        })
    }

    /// In how many tiers a host stands where.
    pub fn count(&self, host: &[u8], standing: &mut Standing) {
        for (_, way) in self.of(host) {
            match way.stage {
                Stage::Settled => {}
                Stage::Old => standing.old += 1,
                Stage::Both => standing.both += 1,
                Stage::New => standing.new += 1,
            }
        }
    }

    fn of(&self, host: &[u8]) -> impl Iterator<Item = (&'a Tier, Move)> + use<'a> {
        let name = self.names.get(host).map_or(host, Vec::as_slice).to_vec();
        self.tiers.iter().map(move |tier| {
            let way = match tier.placement().migration() {
                Some(migration) => migration.of(&name),
                None => {
                    let mut owners = Vec::new();
                    tier.placement().owners(&name, &mut owners);
                    Move { stage: Stage::Settled, owners, former: Vec::new() }
                }
            };
            (tier, way)
        })
    }

    /// What this way is called in a journal: the same whatever the shares.
    pub fn label(&self) -> String {
        let tiers = self.moving_tiers().filter_map(|tier| {
            let moving = tier.moving()?;
            let (former, new) = (moving.former().fingerprint(), moving.new_tier().fingerprint());
            Some(format!("{}:{former}>{new}", tier.name()))
        });
        let label = tiers.collect::<Vec<_>>().join(" ");
        if self.back { format!("back {label}") } else { label }
    }
}

#[cfg(test)]
mod tests {
    use coco_core::config::CocoConfig;

    use super::*;

    fn tiers(text: &str) -> Tiers {
        let head = "[listen]\nbind = '127.0.0.1:0'\ntypesdb = '/dev/null'\n";
        CocoConfig::parse(&format!("{head}{text}")).unwrap().tiers
    }

    const TWO_COPIES: &str = "
        [tiers.a]
        hash = 'rendezvous'
        replicas = 2
        targets = ['s1:1', 's2:1', 's3:1']
        [tiers.a.migration]
        both = '100%'
        from = { replicas = 1, targets = ['s1:1', 's2:1'] }
        [tiers.b]
        hash = 'rendezvous'
        targets = ['s1:1']
    ";

    #[test]
    fn a_host_goes_from_all_that_have_it_to_each_that_has_not() {
        let tiers = tiers(TWO_COPIES);
        let ways = Ways::new(&tiers, false);
        assert_eq!(ways.nodes(), [vec!["s1:1", "s2:1"], vec!["s1:1", "s2:1", "s3:1"]]);
        let (mut all, mut standing) = (0, Standing::default());
        for host in (0..100).map(|number| format!("web{number}")) {
            let passages = ways.passages(host.as_bytes(), |stage| stage == Stage::Both);
            ways.count(host.as_bytes(), &mut standing);
            for passage in &passages {
                assert_eq!(passage.from.len(), 1);
                assert!(!passage.from.contains(&passage.to));
                assert!(
                    ways.belongs(host.as_bytes(), &passage.to) && ways.is_kept(host.as_bytes(), &passage.to)
                );
            }
            // Tier b has all of them there, whatever becomes of tier a.
            assert!(ways.is_kept(host.as_bytes(), "s1:1"));
            all += passages.len();
        }
        assert!((100..=200).contains(&all), "{all}");
        assert_eq!(standing, Standing { old: 0, both: 100, new: 0 });
        assert!(ways.passages(b"web1", |stage| stage == Stage::New).is_empty());
    }

    #[test]
    fn the_way_back_is_another_and_shares_are_none_of_it() {
        let [one, other] = ["0%", "100%"]
            .map(|both| tiers(&TWO_COPIES.replace("both = '100%'", &format!("both = '{both}'"))));
        assert_eq!(Ways::new(&one, false).label(), Ways::new(&other, false).label());
        assert_ne!(Ways::new(&one, false).label(), Ways::new(&one, true).label());
        let there = Ways::new(&other, false).passages(b"web1", |_| true);
        for back in Ways::new(&other, true).passages(b"web1", |_| true) {
            assert!(there.iter().all(|there| there.to != back.to), "{back:?}");
        }
    }

    #[test]
    fn a_host_is_looked_up_by_its_own_name() {
        let tiers = tiers(
            "
            [tiers.a]
            virtual_replicas = 50
            targets = ['s1:1', 's2:1', 's3:1']
            [tiers.a.migration]
            both = '100%'
            from = { virtual_replicas = 50, targets = ['s1:1', 's2:1'] }
        ",
        );
        let names: Vec<_> = (0..200).map(|number| format!("rack/{number}")).collect();
        let mut ways = Ways::new(&tiers, false);
        names.iter().for_each(|name| ways.note_name(name.as_bytes()));
        let migration = tiers.get(0).unwrap().placement().migration().unwrap();
        for name in &names {
            let moves = migration.of(name.as_bytes()).stage != Stage::Settled;
            let stored = name.replace('/', "_");
            assert_eq!(!ways.passages(stored.as_bytes(), |_| true).is_empty(), moves, "{name}");
        }
    }
}
