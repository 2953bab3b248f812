//! Lists of host names: one a line, as bytes.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use crate::failure::Failure;

/// How much is read at a time.
const PIECE: usize = 1 << 16;

/// Hosts that are made up where none are given.
pub const MADE_UP: usize = 20_000;

/// Reads names line by line into one piece of memory.
#[derive(Debug)]
pub struct Names<R> {
    input: BufReader<R>,
    line: Vec<u8>,
}

impl<R: Read> Names<R> {
    /// Of a text in which every line is a name.
    pub fn new(input: R) -> Self {
        Self { input: BufReader::with_capacity(PIECE, input), line: Vec::new() }
    }

    /// The next name, without the end of its line, be it Unix's or Windows'. Empty lines are passed over.
    pub fn next_name(&mut self) -> io::Result<Option<&[u8]>> {
        loop {
            self.line.clear();
            if self.input.read_until(b'\n', &mut self.line)? == 0 {
                return Ok(None);
            }
            let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
            let name = line.strip_suffix(b"\r").unwrap_or(line);
            if !name.is_empty() {
                // The borrow checker does not see that a name found ends the loop.
                let length = name.len();
                return Ok(Some(&self.line[..length]));
            }
        }
    }

    /// Whether the next name is not here yet, so that reading it may take time.
    pub fn would_wait(&self) -> bool {
        self.input.buffer().is_empty()
    }
}

/// All names of a file, `-` being standard input; at least one.
pub fn read(path: &Path) -> Result<Vec<Vec<u8>>, Failure> {
    let collect = |input: &mut dyn Read| {
        let mut names = Names::new(input);
        let mut all = Vec::new();
        while let Some(name) = names.next_name()? {
            all.push(name.to_vec());
        }
        Ok(all)
    };
    let all = match path.to_str() {
        Some("-") => collect(&mut io::stdin().lock()),
        _ => File::open(path).and_then(|mut file| collect(&mut file)),
    };
    let all = all.map_err(|source| Failure::file(path, source))?;
    if all.is_empty() { Err(Failure::NoHosts { path: path.to_owned() }) } else { Ok(all) }
}

/// This many names that look like those of a fleet.
pub fn made_up(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|number| format!("host{number}.example.org").into_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_a_name() {
        let mut names = Names::new(&b"web1\n\nweb 2\r\n\r\n\xff\x00\rx\nlast"[..]);
        let mut all = Vec::new();
        while let Some(name) = names.next_name().unwrap() {
            all.push(name.to_vec());
        }
        assert_eq!(all, [&b"web1"[..], b"web 2", b"\xff\x00\rx", b"last"]);
    }
}
