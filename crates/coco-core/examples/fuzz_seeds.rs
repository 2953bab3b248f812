//! Fills the corpus of the fuzz target with all captured and crafted datagrams: see `fuzz/README.md`.

#[path = "../tests/support/mod.rs"]
mod support;

use std::fs;
use std::path::Path;

fn main() -> std::io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/decode");
    fs::create_dir_all(&folder)?;
    support::corpus().try_for_each(|(name, datagram)| fs::write(folder.join(name), datagram))
}
