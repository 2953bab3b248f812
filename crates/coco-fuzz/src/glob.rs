//! A pattern of names from a client, and a name from a storage node.

use graphite::{Glob, Limits};

/// A pattern of letters, stars and question marks matches what it has always matched; any other is read or refused, and
/// matches node by node.
pub fn holds(bytes: &[u8]) {
    let mut parts = bytes.splitn(2, |byte| *byte == b'\n');
    let (pattern, name) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let Ok(pattern) = std::str::from_utf8(pattern) else { return };
    let Ok(glob) = Glob::new(pattern, &Limits::default()) else { return };
    let is_match = glob.is_match(name);
    if pattern.is_ascii() && name.is_ascii() && !pattern.contains(['[', '{']) {
        let nodes = || pattern.split('.').zip(name.split(|byte| *byte == b'.'));
        let as_many = pattern.split('.').count() == name.split(|byte| *byte == b'.').count();
        let each = nodes().all(|(pattern, node)| plainly(pattern.as_bytes(), node));
        assert_eq!(is_match, as_many && each, "{pattern} {}", name.escape_ascii());
    }
    let parts: Vec<_> = name.split(|byte| *byte == b'.').collect();
    let by_node = glob.nodes().len() == parts.len()
        && glob.nodes().iter().zip(&parts).all(|(node, part)| node.is_match(part));
    assert_eq!(is_match, by_node);
    let texts: Vec<_> = glob.nodes().iter().map(graphite::Node::text).collect();
    assert_eq!(texts.join("."), pattern);
    for node in glob.nodes() {
        assert!(node.literal().is_none_or(|literal| node.is_match(literal.as_bytes())));
    }
}

/// The same without regular expressions: which ends of the name each part of the pattern can reach.
fn plainly(pattern: &[u8], name: &[u8]) -> bool {
    let mut reached = vec![false; name.len() + 1];
    reached[0] = true;
    for byte in pattern {
        if *byte == b'*' {
            let first = reached.iter().position(|is_reached| *is_reached).unwrap_or(reached.len());
            reached[first..].fill(true);
            continue;
        }
        for end in (1..=name.len()).rev() {
            reached[end] = reached[end - 1] && (*byte == b'?' || *byte == name[end - 1]);
        }
        reached[0] = false;
    }
    reached[name.len()]
}
