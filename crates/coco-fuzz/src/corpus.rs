//! Files of inputs: each behind its length in 32 bits, big-endian, as in `coco-core/testdata/wire`; packed by gzip if
//! the file's name ends so.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

/// The file of the inputs of a law.
#[must_use]
pub fn file(law: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(law).with_extension("gz")
}

/// The inputs in a file.
///
/// # Errors
/// When it can't be read; `UnexpectedEof` when it ends within an input.
pub fn read(path: &Path) -> io::Result<Vec<Vec<u8>>> {
    let mut bytes = Vec::new();
    let mut file = File::open(path)?;
    if path.extension().is_some_and(|extension| extension == "gz") {
        GzDecoder::new(file).read_to_end(&mut bytes)?;
    } else {
        file.read_to_end(&mut bytes)?;
    }
    let mut inputs = Vec::new();
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        let (length, behind) = rest.split_first_chunk().ok_or(io::ErrorKind::UnexpectedEof)?;
        let length = u32::from_be_bytes(*length) as usize;
        let (input, behind) = behind.split_at_checked(length).ok_or(io::ErrorKind::UnexpectedEof)?;
        inputs.push(input.to_vec());
        rest = behind;
    }
    Ok(inputs)
}

/// Writes a packed file, the same for the same inputs.
///
/// # Errors
/// When it can't be written, or an input has 4 GiB.
pub fn write(path: &Path, inputs: &[Vec<u8>]) -> io::Result<()> {
    let mut packed = GzEncoder::new(File::create(path)?, Compression::best());
    for input in inputs {
        let length = u32::try_from(input.len()).map_err(io::Error::other)?;
        packed.write_all(&length.to_be_bytes())?;
        packed.write_all(input)?;
    }
    packed.finish()?.sync_all()
}
