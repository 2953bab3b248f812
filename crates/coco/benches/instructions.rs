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

/// The difference is that of hosts which are known.
const PASSES: [usize; 2] = [2, 6];

#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if let [_, corpus, stages, passes] = &arguments[..]
        && let (Ok(stages), Ok(passes)) = (stages.parse(), passes.parse())
    {
        run(corpus, stages, passes);
        return ExitCode::SUCCESS;
    }
    for corpus in ["agents", "mixed"] {
        let mut before = 0.0;
        for (stages, name) in STAGES.into_iter().enumerate() {
            let [few, many] = PASSES.map(|passes| count(corpus, stages, passes));
            let sum = (many - few) as f64 / ((PASSES[1] - PASSES[0]) * HOSTS * METRICS) as f64;
            if stages > 0 {
                println!("{corpus} {name}: {:.1}", sum - before);
            }
            before = sum;
        }
    }
    ExitCode::SUCCESS
}

/// Instructions of so many passes over a corpus.
fn count(corpus: &str, stages: usize, passes: usize) -> u64 {
    let this = std::env::current_exe().expect("the path of this bench");
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(this)
        .args(["run", corpus, &stages.to_string(), &passes.to_string()])
        .output()
        .expect("valgrind");
    let said = String::from_utf8_lossy(&run.stderr);
    // ==1234== Collected : 987654321
    let count = said.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok());
    count.unwrap_or_else(|| panic!("valgrind has not counted: {said}"))
}

fn run(corpus: &str, stages: usize, passes: usize) {
    let config = CocoConfig::parse(CONFIGURATION).expect("a good configuration");
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
            packing.pack(&batch, &mut Progress::default());
            packing.clear();
        }
    }
}
