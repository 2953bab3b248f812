//! Instructions of the stages per value list, by callgrind: `cargo bench -p coco --bench instructions`. Whatever else
//! the machine does, they stay what they are. It needs valgrind.

mod corpora;

use std::process::{Command, ExitCode};
use std::sync::Arc;

use coco::batch::Batch;
use coco::decide::Filter;
use coco::intake::{Gate, decode};
use coco::lane::Lane;
use coco::plan::{Newest, Routing};
use coco::secrets::Seals;
use coco::send::{Packing, Progress};
use coco_core::config::CocoConfig;

use corpora::{BATCH, CONFIGURATION, METRICS, corpora, fill};

const HOSTS: usize = 160;

/// Each adds a stage to those before.
const STAGES: [&str; 4] = ["fill", "decode", "filter", "pack"];

/// How hosts are placed: each in turn in all tiers, for what a migration costs hosts that stay and hosts that move.
const PLACINGS: [(&str, &str); 4] = [
    ("ring", ""),
    ("rendezvous", "hash = 'rendezvous'"),
    ("staying", "hash = 'rendezvous'\nmigration = { both = '100%', from = { hash = 'rendezvous' } }"),
    (
        "moving",
        "hash = 'rendezvous'\nmigration = { both = '100%', from = { targets = [{ address = '127.0.0.1:5' }] } }",
    ),
];

/// The difference is that of hosts which are known.
const PASSES: [usize; 2] = [2, 6];

#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if let [_, corpus, placing, stages, passes] = &arguments[..]
        && let (Ok(stages), Ok(passes)) = (stages.parse(), passes.parse())
    {
        run(corpus, placing, stages, passes);
        return ExitCode::SUCCESS;
    }
    for corpus in ["agents", "mixed"] {
        let mut before = 0.0;
        for (stages, name) in STAGES.into_iter().enumerate() {
            let sum = count_each(corpus, PLACINGS[0].0, stages);
            if stages > 0 {
                println!("{corpus} {name}: {:.1}", sum - before);
            }
            before = sum;
        }
    }
    for corpus in ["agents", "mixed"] {
        for (placing, _) in PLACINGS {
            println!("{corpus}, all stages, {placing}: {:.1}", count_each(corpus, placing, STAGES.len() - 1));
        }
    }
    ExitCode::SUCCESS
}

/// Instructions of each value list.
fn count_each(corpus: &str, placing: &str, stages: usize) -> f64 {
    let [few, many] = PASSES.map(|passes| count(corpus, placing, stages, passes));
    (many - few) as f64 / ((PASSES[1] - PASSES[0]) * HOSTS * METRICS) as f64
}

/// Instructions of so many passes over a corpus.
fn count(corpus: &str, placing: &str, stages: usize, passes: usize) -> u64 {
    let this = std::env::current_exe().expect("the path of this bench");
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(this)
        .args(["run", corpus, placing, &stages.to_string(), &passes.to_string()])
        .output()
        .expect("valgrind");
    let said = String::from_utf8_lossy(&run.stderr);
    // ==1234== Collected : 987654321
    let count = said.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok());
    count.unwrap_or_else(|| panic!("valgrind has not counted: {said}"))
}

fn run(corpus: &str, placing: &str, stages: usize, passes: usize) {
    let (_, lines) = PLACINGS.into_iter().find(|(name, _)| *name == placing).expect("the name of a placing");
    let text = CONFIGURATION.replace("    targets", &format!("{lines}\n    targets"));
    let config = CocoConfig::parse(&text).expect("a good configuration");
    let newest = Arc::new(Newest::from_pointee(Routing::new(&config, Seals::default(), 1)));
    let (_, datagrams) =
        corpora(HOSTS).into_iter().find(|(name, _)| *name == corpus).expect("the name of a corpus");
    let lane = Lane::new(0, 1 << 28);
    let gate = Gate::default();
    let mut filter = Filter::new(Arc::clone(&newest));
    let mut packing = Packing::new(newest.load_full());
    let mut batch = Batch::new(BATCH);
    for datagrams in (0..passes).flat_map(|_| datagrams.chunks(BATCH)) {
        fill(&mut batch, datagrams);
        if stages > 0 {
            decode(&mut batch, &lane, &gate);
        }
        if stages > 1 {
            filter.decide(&mut batch, &lane);
        }
        if stages > 2 {
            packing.pack(&batch, &mut Progress::default(), batch.arrived);
            packing.clear();
        }
    }
}
