//! Names that strangers chose, as they are shown: in logs, in errors, by tools.
//!
//! Nothing of them gets off its line, does anything to a terminal, or turns the text around it: characters that are
//! not printable (control characters, overrides of the direction, separators of lines) and bytes that are not UTF-8
//! leave escaped.

use std::fmt::{self, Display, Write as _};
use std::io::{self, Write};

/// A name by itself: unprintable characters, backslashes and what is not UTF-8 escaped (`\n`, `\u{1b}`, `\\`, `\xff`),
/// everything else as it is.
#[derive(Clone, Copy, Debug)]
pub struct Name<'a>(pub &'a [u8]);

/// A name in a sentence, or beside other fields: in quotes, and as [`Name`] but for quotation marks, which are escaped,
/// too.
#[derive(Clone, Copy, Debug)]
pub struct Quoted<'a>(pub &'a [u8]);

/// A text in which names may stand: only what is not printable is escaped. What is escaped already stays as it is.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a>(pub &'a str);

impl Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        escape(f, self.0, &['\\'])
    }
}

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        escape(f, self.0, &['\\', '"'])?;
        f.write_char('"')
    }
}

impl Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        escape(f, self.0.as_bytes(), &[])
    }
}

/// Also escapes the `special` characters, with a backslash.
fn escape(f: &mut fmt::Formatter<'_>, text: &[u8], special: &[char]) -> fmt::Result {
    for chunk in text.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\\' | '"' | '\'' if !special.contains(&character) => f.write_char(character)?,
                '\'' => f.write_char(character)?,
                _ => write!(f, "{}", character.escape_debug())?,
            }
        }
        for byte in chunk.invalid() {
            write!(f, "\\x{byte:02x}")?;
        }
    }
    Ok(())
}

/// Writes a [`Name`], of which most are as they are.
pub fn write_name(out: &mut (impl Write + ?Sized), name: &[u8]) -> io::Result<()> {
    if name.iter().all(|&byte| (byte.is_ascii_graphic() || byte == b' ') && byte != b'\\') {
        return out.write_all(name);
    }
    write!(out, "{}", Name(name))
}

/// A [`Name`] as a string.
pub fn name(name: &[u8]) -> String {
    Name(name).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_on_their_line_and_leave_terminals_alone() {
        for (given, shown, quoted) in [
            (&b"web-1.example.org"[..], "web-1.example.org", "\"web-1.example.org\""),
            (b"", "", "\"\""),
            ("m\u{fc}nchen".as_bytes(), "m\u{fc}nchen", "\"m\u{fc}nchen\""),
            (b"it's \"it\"\\", "it's \"it\"\\\\", "\"it's \\\"it\\\"\\\\\""),
            (b"a\nb\x1b[2J", "a\\nb\\u{1b}[2J", "\"a\\nb\\u{1b}[2J\""),
            ("\u{202e}gro\u{9b}31m".as_bytes(), "\\u{202e}gro\\u{9b}31m", "\"\\u{202e}gro\\u{9b}31m\""),
            (b"\xff\xfea\xc3", "\\xff\\xfea\\xc3", "\"\\xff\\xfea\\xc3\""),
        ] {
            assert_eq!(name(given), shown);
            assert_eq!(Quoted(given).to_string(), quoted);
            let mut written = Vec::new();
            write_name(&mut written, given).unwrap();
            assert_eq!(written, shown.as_bytes());
        }
    }

    #[test]
    fn what_is_unprintable_is_escaped_wherever_it_stands_and_only_once() {
        // Controls of C0 and C1, marks and overrides and isolates of direction, separators, what has no width.
        let unprintable = "\0\t\r\u{7f}\u{80}\u{85}\u{9b}\u{9f}\u{ad}\u{61c}\u{180e}\u{200b}\u{200e}\u{200f}\
                           \u{2028}\u{2029}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2060}\u{2066}\u{2067}\u{2068}\
                           \u{2069}\u{feff}\u{fff9}\u{e0001}";
        for character in unprintable.chars() {
            let text = format!("a \\ \"{character}\" b");
            let line = Line(&text).to_string();
            assert_eq!(line, format!("a \\ \"{}\" b", character.escape_debug()));
            assert!(character.escape_debug().len() > 1, "{:04x}", u32::from(character));
            assert!(!Quoted(text.as_bytes()).to_string().contains(character));
            assert!(!name(text.as_bytes()).contains(character));
            assert_eq!(Line(&line).to_string(), line);
        }
    }
}
