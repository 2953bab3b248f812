//! Moves inputs between `corpus/`, which is kept, and `fuzz/corpus/`, where cargo-fuzz wants them: see `README.md`.

use std::collections::BTreeSet;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, BufRead};
use std::path::{Path, PathBuf};

use coco_fuzz::{LAWS, corpus};
use flate2::read::GzDecoder;

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next();
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let folder = arguments.next().map_or_else(default, PathBuf::from);
    let mut all = LAWS.iter().map(|(law, _)| (*law, folder.join(law)));
    match command.as_deref() {
        Some("unpack") => all.try_for_each(|(law, folder)| unpack(law, &folder)),
        Some("pack") => all.try_for_each(|(law, folder)| pack(law, &folder)),
        _ => Err(io::Error::other("say unpack or pack, and which folder if not fuzz/corpus")),
    }
}

/// Fills a folder with what is kept and with what there is of the real thing.
fn unpack(law: &str, folder: &Path) -> io::Result<()> {
    let kept = corpus::file(law);
    let mut inputs = if kept.exists() { corpus::read(&kept)? } else { Vec::new() };
    inputs.extend(seeds(law)?);
    fs::create_dir_all(folder)?;
    for input in inputs {
        let mut hasher = DefaultHasher::new();
        input.hash(&mut hasher);
        fs::write(folder.join(format!("{:016x}", hasher.finish())), input)?;
    }
    Ok(())
}

/// Keeps what is in a folder, which cargo fuzz has minimised.
fn pack(law: &str, folder: &Path) -> io::Result<()> {
    let inputs: io::Result<BTreeSet<_>> = files(folder)?.iter().map(fs::read).collect();
    corpus::write(&corpus::file(law), &Vec::from_iter(inputs?))
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
}

/// The fixtures of other crates.
fn seeds(law: &str) -> io::Result<Vec<Vec<u8>>> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let wire = crates.join("coco-core/testdata/wire");
    let datagrams = || {
        let mut datagrams = corpus::read(&wire.join("crafted/cases.bin.gz"))?;
        for stream in files(&wire.join("streams"))? {
            datagrams.extend(corpus::read(&stream)?);
        }
        Ok(datagrams)
    };
    match law {
        "decode" => datagrams(),
        "secured" => {
            let as_it_came = |datagram: Vec<u8>| [&[0], &datagram[..]].concat();
            Ok(datagrams()?.into_iter().map(as_it_came).collect())
        }
        "types_db" => Ok(vec![fs::read(wire.join("custom-types.db"))?]),
        "config" => {
            let sample = fs::read(crates.join("../coco.sample.conf"))?;
            Ok(vec![sample, fs::read(crates.join("coco-core/testdata/config/original.conf"))?])
        }
        "answer" => {
            let transcripts = files(&crates.join("noodle/testdata/visage"))?;
            let bodies = transcripts.iter().filter_map(|file| {
                let text = fs::read_to_string(file).ok()?;
                Some(text.split_once("\n\n")?.1.as_bytes().to_vec())
            });
            Ok(bodies.collect())
        }
        "head" => {
            let answers = [
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc",
                "HTTP/1.0 200 OK\nConnection: Keep-Alive\nContent-Encoding: gzip\n\n",
                "HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n1a;x=\"y\"\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\na: b\r\n\r\n",
                "3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n",
            ];
            Ok(answers.map(|answer| answer.as_bytes().to_vec()).to_vec())
        }
        "request" => {
            let paths =
                ["/HOST", "/web1,db{1,2}*/load/load?start=-5&finish=now", "/a%2Fb/../c?callback=f.g&x=+"];
            Ok(paths.map(|path| path.as_bytes().to_vec()).to_vec())
        }
        "target" => {
            let file = fs::File::open(crates.join("graphite/testdata/vectors/vectors.jsonl.gz"))?;
            let lines = io::BufReader::new(GzDecoder::new(file)).lines();
            let target = |line: io::Result<String>| -> io::Result<Vec<u8>> {
                let vector: serde_json::Value = serde_json::from_str(&line?)?;
                Ok(vector["target"].as_str().unwrap_or_default().as_bytes().to_vec())
            };
            lines.map(target).collect()
        }
        "rrdcached" => Ok(vec![fs::read(crates.join("rrdcached/testdata/list.txt"))?]),
        _ => Ok(Vec::new()),
    }
}
