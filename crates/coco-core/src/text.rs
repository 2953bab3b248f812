//! Names that strangers chose, as they are shown: in logs, in errors, by tools.
//!
//! Nothing of them gets off its line, does anything to a terminal, or turns the text around it: characters that are
//! not printable (control characters, overrides of the direction, separators of lines) and bytes that are not UTF-8
//! leave escaped. JSON escapes what it must by itself, but has no way to say a byte: there, [`in_json`] finds one.

use std::borrow::Cow;
use std::fmt::{self, Display, Write as _};
use std::io::{self, Write};

/// A name by itself: unprintable characters, backslashes and what is not UTF-8 escaped (`\n`, `\u{1b}`, `\\`, `\xff`),
/// everything else as it is.
#[derive(Debug, Clone, Copy)]
pub struct Name<'a>(pub &'a [u8]);

/// A name in a sentence, or beside other fields: in quotes, and as [`Name`] but for quotation marks, which are escaped,
/// too.
#[derive(Debug, Clone, Copy)]
pub struct Quoted<'a>(pub &'a [u8]);

/// A text in which names may stand: only what is not printable is escaped. What is escaped already stays as it is.
#[derive(Debug, Clone, Copy)]
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

impl Line<'_> {
    /// Whether it is shown as it is.
    pub fn is_plain(&self) -> bool {
        self.0.bytes().all(is_printable) || self.to_string() == self.0
    }
}

impl Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        escape(f, self.0.as_bytes(), &[])
    }
}

fn is_printable(byte: u8) -> bool {
    matches!(byte, b' '..=b'~')
}

/// Also escapes the `special` characters, with a backslash.
fn escape(f: &mut fmt::Formatter<'_>, text: &[u8], special: &[char]) -> fmt::Result {
    // Nearly all are.
    let is_plain = |&byte: &u8| is_printable(byte) && !special.contains(&char::from(byte));
    if text.iter().all(is_plain)
        && let Ok(plain) = std::str::from_utf8(text)
    {
        return f.write_str(plain);
    }
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

/// The escape before the two digits of a byte in JSON: no name has it, since the protocol's strings end there.
const MARK: char = '\0';

/// A name as a string of JSON. One that is UTF-8 is shown as it is. In another, each byte that is not stands as U+0000
/// and two hexadecimal digits, so that no two names are shown alike: `"h\u0000e9"` is `h` and the byte E9.
pub fn in_json(name: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(name) {
        Ok(text) if !text.contains(MARK) => return Cow::Borrowed(text),
        _ => {}
    }
    let mut shown = String::with_capacity(name.len() + 16);
    let escape = |shown: &mut String, byte: u8| write!(shown, "{MARK}{byte:02x}").expect("memory takes it");
    for chunk in name.utf8_chunks() {
        for character in chunk.valid().chars() {
            // Names that come from elsewhere than the protocol may have it.
            if character == MARK { escape(&mut shown, 0) } else { shown.push(character) }
        }
        chunk.invalid().iter().for_each(|&byte| escape(&mut shown, byte));
    }
    Cow::Owned(shown)
}

/// The name that [`in_json`] shows like this. What it never shows, such as U+0000 without digits, stays as it is.
pub fn from_json(shown: &str) -> Cow<'_, [u8]> {
    if !shown.contains(MARK) {
        return Cow::Borrowed(shown.as_bytes());
    }
    let mut name = Vec::with_capacity(shown.len());
    let mut pieces = shown.split(MARK);
    name.extend_from_slice(pieces.next().unwrap_or_default().as_bytes());
    for piece in pieces {
        let is_digit = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
        let digits = piece.get(..2).filter(|digits| digits.bytes().all(|byte| is_digit(&byte)));
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                name.push(byte);
                name.extend_from_slice(&piece.as_bytes()[2..]);
            }
            None => {
                name.push(0);
                name.extend_from_slice(piece.as_bytes());
            }
        }
    }
    Cow::Owned(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
    fn in_json_what_is_utf_8_is_itself_and_no_two_names_are_alike() {
        let replacement = "h\u{fffd}".as_bytes();
        for name in [&b"h\\xe9"[..], b"DOMAIN\\xavier", "m\u{fc}nchen\u{202e}\n".as_bytes(), replacement, b""]
        {
            assert_eq!(in_json(name).as_bytes(), name);
        }
        let shown = [&b"h\xe9"[..], b"h\xe8", b"h\xff", replacement, b"h\\xe9"].map(in_json);
        assert_eq!(shown, ["h\0e9", "h\0e8", "h\0ff", "h\u{fffd}", "h\\xe9"]);
        assert_eq!(*from_json("a\0zz\0"), *b"a\0zz\0");
    }

    proptest! {
        #[test]
        fn any_name_can_be_read_back_from_json(name: Vec<u8>) {
            let shown = in_json(&name);
            prop_assert_eq!(&*from_json(&shown), name.as_slice());
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
