//! Holding names against the blacklist.

use regex::bytes::Regex;

/// Whether `blacklist` matches `path`, which is `host/plugin/plugin instance/type/type instance`.
///
/// A byte that is not UTF-8 is one character, U+FFFD, as for Go's regexp: `^[^/]+/irq/` finds the metrics of a host
/// whose name nobody can read. And it is itself, for those who write `(?-u:\xff)`.
pub fn matches(blacklist: &Regex, path: &[u8]) -> bool {
    blacklist.is_match(path)
        || std::str::from_utf8(path).is_err() && blacklist.is_match(readable(path).as_bytes())
}

fn readable(path: &[u8]) -> String {
    let mut readable = String::with_capacity(path.len());
    for chunk in path.utf8_chunks() {
        readable.push_str(chunk.valid());
        readable.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    readable
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vectors: the answers of Go's regexp to the same expressions and bytes, where it has them.
    #[test]
    fn bytes_that_are_not_utf8_are_characters_each() {
        for (expression, path, expected) in [
            ("^[^/]+/irq/", &b"h\xff/irq/7"[..], true),
            ("^h./irq/", b"h\xff/irq/7", true),
            ("^h../irq/", b"h\xff/irq/7", false),
            // Two bytes of three of a euro sign.
            ("^h../irq/", b"h\xe2\x82/irq/7", true),
            ("^h./irq/", b"h\xe2\x82/irq/7", false),
            ("^h./irq/", "h\u{20ac}/irq/7".as_bytes(), true),
            ("^h\u{fffd}/", b"h\xff/irq/7", true),
            ("^[a-z]+/irq/", b"h\xff/irq/7", false),
            (r"^h\xff/", b"h\xff/irq/7", false),
            (r"^h\xff/", "h\u{ff}/irq/7".as_bytes(), true),
            (r"^h(?-u:\xff)/", b"h\xff/irq/7", true),
            ("/irq/", b"h\xff/cpu/7", false),
        ] {
            let blacklist = Regex::new(expression).unwrap();
            assert_eq!(matches(&blacklist, path), expected, "{expression} {path:?}");
        }
    }
}
