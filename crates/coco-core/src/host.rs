//! The name under which collectd stores a host.
//!
//! A slash is legal in a host's name on the wire, but not in the name of a directory. When a collectd takes a value list
//! up it renames such a host (`escape_slashes` in its `common.c`), so it is stored, shown and asked for by another name
//! than the one that agents send. The ring hashes what agents send, as every deployed Coco does.
//!
//! | sent | stored |
//! |---|---|
//! | `a/b` | `a_b` |
//! | `a//b` | `a__b` |
//! | `/lead` | `lead` |
//! | `//` | `_` |
//! | `/` | `root` |

use std::borrow::Cow;

/// Whether a host is stored under another name than its own.
pub fn is_renamed(name: &[u8]) -> bool {
    name.contains(&b'/')
}

/// The name under which a host is stored: a slash at the start is dropped, any other becomes an underscore.
pub fn stored_name(name: &[u8]) -> Cow<'_, [u8]> {
    if !is_renamed(name) {
        return Cow::Borrowed(name);
    }
    match name {
        b"/" => Cow::Borrowed(b"root"),
        [b'/', rest @ ..] if !is_renamed(rest) => Cow::Borrowed(rest),
        _ => {
            let name = name.strip_prefix(b"/").unwrap_or(name);
            Cow::Owned(name.iter().map(|&byte| if byte == b'/' { b'_' } else { byte }).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_stored_as_collectd_does() {
        for (sent, stored) in [
            ("web1.example.org", "web1.example.org"),
            ("", ""),
            ("a/b", "a_b"),
            ("a//b", "a__b"),
            ("a/", "a_"),
            ("/lead", "lead"),
            ("//lead/b", "_lead_b"),
            ("//", "_"),
            ("/", "root"),
            ("root", "root"),
            ("/..", ".."),
        ] {
            assert_eq!(stored_name(sent.as_bytes()), stored.as_bytes(), "{sent}");
            assert_eq!(is_renamed(sent.as_bytes()), sent != stored);
        }
        assert_eq!(stored_name(b"\xff/\xfe"), &b"\xff_\xfe"[..]);
    }
}
