//! Names that strangers chose, as they are shown.

use std::io::{self, Write};

/// Writes a name so that it stays on its line and does nothing to a terminal: control characters, backslashes and
/// what is not UTF-8 leave escaped (`\n`, `\u{1b}`, `\xff`), everything else as it is.
pub fn write_name(out: &mut (impl Write + ?Sized), name: &[u8]) -> io::Result<()> {
    if name.iter().all(|&byte| (byte.is_ascii_graphic() || byte == b' ') && byte != b'\\') {
        return out.write_all(name);
    }
    for chunk in name.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '"' | '\'' => write!(out, "{character}")?,
                _ => write!(out, "{}", character.escape_debug())?,
            }
        }
        for byte in chunk.invalid() {
            write!(out, "\\x{byte:02x}")?;
        }
    }
    Ok(())
}

/// The same as a string.
pub fn name(name: &[u8]) -> String {
    let mut shown = Vec::new();
    write_name(&mut shown, name).expect("a Vec takes all that is written");
    String::from_utf8(shown).expect("what is not UTF-8 is escaped")
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn names_stay_on_their_line_and_leave_terminals_alone() {
        for (given, shown) in [
            (&b"web-1.example.org"[..], "web-1.example.org"),
            (b"", ""),
            ("m\u{fc}nchen".as_bytes(), "m\u{fc}nchen"),
            (b"it's \"it\"\\", "it's \"it\"\\\\"),
            (b"a\nb\x1b[2J", "a\\nb\\u{1b}[2J"),
            ("\u{202e}gro\u{9b}31m".as_bytes(), "\\u{202e}gro\\u{9b}31m"),
            (b"\xff\xfea\xc3", "\\xff\\xfea\\xc3"),
        ] {
            assert_eq!(name(given), shown);
        }
    }
}
