//! The packed files, target by target.

use std::io::Read;

use coco_core::placement::Placement;
use coco_core::placement::jump::Jump;
use coco_core::placement::rendezvous::{Member, Rendezvous, Weight};
use flate2::read::GzDecoder;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use xxhash_rust::xxh64::xxh64;

use crate::{Target, rendezvous};

#[derive(Deserialize)]
struct RendezvousVectors {
    keys_hex: Vec<String>,
    hashes: Vec<(String, String, String, String)>,
    clusters: Vec<RendezvousCluster>,
}

#[derive(Deserialize)]
struct RendezvousCluster {
    name: String,
    targets: Vec<ClusterTarget>,
    replicas: usize,
    zones: bool,
    owners: Vec<Vec<usize>>,
}

#[derive(Deserialize)]
struct ClusterTarget {
    name: String,
    weight: u32,
    zone: String,
}

#[derive(Deserialize)]
struct JumpVectors {
    keys: Vec<String>,
    clusters: Vec<JumpCluster>,
    large: Vec<LargeJumpCluster>,
}

#[derive(Deserialize)]
struct JumpCluster {
    variant: String,
    replication: usize,
    servers: Vec<String>,
    owners: Vec<Vec<usize>>,
}

#[derive(Deserialize)]
struct LargeJumpCluster {
    targets: usize,
    replication: usize,
    owners: Vec<Vec<usize>>,
}

/// Of targets enough that two names rarely have the same owners.
const NAMES: [&str; 12] = ["s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "s12"];

fn unpacked<T: DeserializeOwned>(packed: &[u8]) -> T {
    let mut json = Vec::new();
    GzDecoder::new(packed).read_to_end(&mut json).unwrap();
    serde_json::from_slice(&json).unwrap()
}

fn rendezvous_vectors() -> RendezvousVectors {
    unpacked(include_bytes!("../../testdata/placement/rendezvous.json.gz"))
}

fn bytes(hex: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}

/// Owners of bytes as they are: the program knows nothing of how collectd stores a host, and hashes `/` as that byte. It
/// stands, since a [`Rendezvous`](coco_core::placement::rendezvous::Rendezvous) is given the stored name; a host of `/` alone
/// never comes to it as such, but as `root`, which the `Placement` around it sees to.
#[test]
fn rendezvous_owners_are_those_of_an_independent_program() {
    let RendezvousVectors { keys_hex, clusters, .. } = rendezvous_vectors();
    assert_eq!((keys_hex.len(), clusters.len()), (200, 14));
    for RendezvousCluster { name, targets, replicas, zones, owners } in clusters {
        let target = |target: ClusterTarget| Target {
            name: target.name,
            weight: target.weight,
            zone: zones.then_some(target.zone),
        };
        let placement = rendezvous(&targets.into_iter().map(target).collect::<Vec<_>>(), replicas);
        assert_eq!(owners.len(), keys_hex.len());
        let mut ours = Vec::new();
        for (key, theirs) in keys_hex.iter().zip(owners) {
            placement.owners(&bytes(key), &mut ours);
            assert_eq!(ours, theirs, "{name}: {key}");
        }
    }
}

/// The names that agents send are stored otherwise, and placed by that.
#[test]
fn a_host_of_a_slash_is_placed_as_it_is_stored() {
    let member = |name: &&'static str| Member { name, weight: Weight::default(), zone: None };
    let members: Vec<_> = NAMES.iter().map(member).collect();
    let rendezvous = Rendezvous::new(&members, 3).unwrap();
    let jump = Jump::new(&[None; NAMES.len()], 3).unwrap();
    let owners = |place: &dyn Fn(&mut Vec<usize>)| {
        let mut owners = Vec::new();
        place(&mut owners);
        owners
    };
    let placements = [Placement::Rendezvous(rendezvous.clone()), Placement::Jump(jump.clone())];
    for (sent, stored) in [("/", "root"), ("/a/b", "a_b"), ("web1", "web1")] {
        let stored = stored.as_bytes();
        let expected =
            [owners(&|ours| rendezvous.owners(stored, ours)), owners(&|ours| jump.owners(stored, ours))];
        for (placement, expected) in placements.iter().zip(expected) {
            assert_eq!(owners(&|ours| placement.owners(sent.as_bytes(), ours)), expected, "{sent}");
        }
    }
    let raw = owners(&|ours| rendezvous.owners(b"/", ours));
    assert_ne!(raw, owners(&|ours| placements[0].owners(b"/", ours)), "else this tells nothing of `/`");
}

#[test]
fn lots_are_the_published_hash() {
    let RendezvousVectors { hashes, .. } = rendezvous_vectors();
    assert_eq!(hashes.len(), 58);
    for (key, target, seed, lot) in hashes {
        let ours = xxh64(target.as_bytes(), 0);
        assert_eq!(format!("{ours:016x}"), seed, "{target}");
        assert_eq!(format!("{:016x}", xxh64(&bytes(&key), ours)), lot, "{key} {target}");
    }
}

/// As carbon-c-relay orders them: a number for every server, or none for any.
fn indices(variant: &str, servers: &[String]) -> Vec<Option<i64>> {
    let instances: Vec<Option<&str>> =
        servers.iter().map(|server| server.split_once('=').map(|(_, instance)| instance)).collect();
    match variant {
        "plain" => vec![None; servers.len()],
        "numeric-instances" => {
            instances.iter().map(|instance| Some(instance.unwrap().parse().unwrap())).collect()
        }
        _ => {
            let key = |at: usize| (instances[at].is_none(), instances[at], at);
            let before = |at: usize| (0..servers.len()).filter(|&other| key(other) < key(at)).count();
            (0..servers.len()).map(|at| Some(before(at) as i64)).collect()
        }
    }
}

#[test]
fn jump_owners_are_those_that_carbon_c_relay_gave() {
    let JumpVectors { keys, clusters, large } =
        unpacked(include_bytes!("../../testdata/placement/jump.json.gz"));
    assert_eq!((keys.len(), clusters.len(), large.len()), (200, 25, 2));
    let recorded = clusters.into_iter().map(|cluster| {
        let indices = indices(&cluster.variant, &cluster.servers);
        (cluster.variant, indices, cluster.replication, cluster.owners)
    });
    let computed = large
        .into_iter()
        .map(|large| ("large".to_owned(), vec![None; large.targets], large.replication, large.owners));
    for (variant, indices, replicas, owners) in recorded.chain(computed) {
        let placement = Jump::new(&indices, replicas).unwrap();
        assert_eq!(owners.len(), keys.len());
        let mut ours = Vec::new();
        for (key, theirs) in keys.iter().zip(owners) {
            placement.owners(key.as_bytes(), &mut ours);
            assert_eq!(ours, theirs, "{variant} of {}: {key}", indices.len());
        }
    }
}
