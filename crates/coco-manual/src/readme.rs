//! Chapters of the README, and what the change log knows.

const README: &str = include_str!("../../../README.md");
const CHANGES: &str = include_str!("../../../CHANGELOG.md");

/// When this version came out, as its heading in the change log says: `2026-11-22`, or `unreleased`.
///
/// # Panics
/// When the change log does not begin with this version.
pub fn release_date() -> &'static str {
    let heading = concat!("\n## ", env!("CARGO_PKG_VERSION"), " (");
    let (_, rest) = CHANGES.split_once(heading).expect("the change log has this version");
    rest.split_once(')').map_or("", |(date, _)| date)
}

/// What stands below a heading: until the next one of its level or above, which is marked by no more `#`.
///
/// # Panics
/// When there is no such heading: then the README has changed, and the manual must follow.
pub fn chapter(heading: &str) -> &'static str {
    let (_, rest) = README
        .split_once(&format!("\n{heading}\n"))
        .unwrap_or_else(|| panic!("the README no longer has {heading:?}"));
    let level = |line: &str| line.bytes().take_while(|byte| *byte == b'#').count();
    let mut in_code = false;
    let mut end = 0;
    for line in rest.split_inclusive('\n') {
        in_code ^= line.trim_start().starts_with("```");
        // In code, it is a comment.
        if !in_code && (1..=level(heading)).contains(&level(line)) {
            break;
        }
        end += line.len();
    }
    rest[..end].trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chapter_ends_where_the_next_begins() {
        let install = chapter("## Install");
        assert!(install.starts_with("```sh\ncargo build --release\n"));
        assert!(install.contains("\n### Services\n") && install.contains("# then set your tiers"));
        assert!(!install.contains("\n## "), "{install}");
        let keys = chapter("### All keys");
        assert!(keys.ends_with('|'), "{keys}");
    }
}
