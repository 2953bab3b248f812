//! Opening a file, and unpacking it if it is packed.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use ruzstd::decoding::StreamingDecoder;

use crate::failure::Failure;

/// The start of what gzip and zstd make.
const GZIP: &[u8] = b"\x1f\x8b";
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";

/// The same of packers whose files are not unpacked here, and who unpacks them.
const OTHERS: [(&[u8], &str); 3] = [(b"\xfd7zXZ\0", "xz"), (b"BZh", "bzip2"), (b"\x04\x22\x4d\x18", "lz4")];

/// The longest of these.
const MAGIC: usize = 6;

/// The most that unpacking zstd may keep in memory, as with the zstd program.
const LARGEST_WINDOW: u64 = 1 << 27;

/// What comes out of a file, `-` being standard input, unpacked.
pub fn open(path: &Path) -> Result<Box<dyn Read + Send>, Failure> {
    let failure = |source| Failure::file(path, source);
    let mut input: Box<dyn Read + Send> = match path.to_str() {
        Some("-") => Box::new(io::stdin()),
        _ => Box::new(File::open(path).map_err(failure)?),
    };
    let mut start = Vec::with_capacity(MAGIC);
    input.by_ref().take(MAGIC as u64).read_to_end(&mut start).map_err(failure)?;
    if let Some((_, packer)) = OTHERS.iter().find(|(magic, _)| start.starts_with(magic)) {
        let reason =
            format!("packed by {packer}: unpack it ({packer} -dc), and read that from standard input");
        return Err(Failure::Capture { path: path.to_owned(), reason });
    }
    let (is_gzip, is_zstd) = (start.starts_with(GZIP), start.starts_with(ZSTD));
    let whole = Cursor::new(start).chain(input);
    Ok(match (is_gzip, is_zstd) {
        (true, _) => Box::new(MultiGzDecoder::new(whole)),
        (_, true) => Box::new(Zstd::new(BufReader::new(whole))),
        _ => Box::new(whole),
    })
}

/// All frames of a file that zstd made, one behind the other.
struct Zstd<R: Read> {
    /// What is left, between two frames.
    input: Option<R>,
    frame: Option<Box<StreamingDecoder<R, ruzstd::decoding::FrameDecoder>>>,
}

impl<R: BufRead> Zstd<R> {
    fn new(input: R) -> Self {
        Self { input: Some(input), frame: None }
    }
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(frame) = &mut self.frame {
                let read = frame.read(buffer)?;
                if read > 0 || buffer.is_empty() {
                    return Ok(read);
                }
                self.input = self.frame.take().map(|frame| frame.into_inner());
            }
            let Some(mut input) = self.input.take() else { return Ok(0) };
            if input.fill_buf()?.is_empty() {
                return Ok(0);
            }
            let frame = StreamingDecoder::new_with_max_window_size(input, LARGEST_WINDOW);
            self.frame = Some(Box::new(frame.map_err(io::Error::other)?));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf hello | zstd`, by zstd 1.5.
    const HELLO: &[u8] = b"\x28\xb5\x2f\xfd\x04\x58\x29\0\0hello\xa3\x6d\x9f\x88";

    #[test]
    fn frames_follow_one_another() {
        let mut text = String::new();
        let two = [HELLO, HELLO].concat();
        let _ = Zstd::new(two.as_slice()).read_to_string(&mut text);
        assert_eq!(text, "hellohello");
    }
}
