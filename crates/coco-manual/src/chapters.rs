//! Chapters of the pages in `docs/`, and what the change log knows.

/// The pages that the manual has chapters of.
const PAGES: [&str; 13] = [
    include_str!("../../../docs/install.md"),
    include_str!("../../../docs/configure.md"),
    include_str!("../../../docs/keys.md"),
    include_str!("../../../docs/api.md"),
    include_str!("../../../docs/counters.md"),
    include_str!("../../../docs/monitor.md"),
    include_str!("../../../docs/log.md"),
    include_str!("../../../docs/how-values-travel.md"),
    include_str!("../../../docs/security.md"),
    include_str!("../../../docs/when-it-breaks.md"),
    include_str!("../../../docs/grow.md"),
    include_str!("../../../docs/read.md"),
    include_str!("../../../docs/cococtl.md"),
];
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
/// When there is no such heading, or two: then the pages have changed, and the manual must follow.
pub fn chapter(heading: &str) -> &'static str {
    let mut found = PAGES.iter().filter_map(|page| below(page, heading));
    match (found.next(), found.next()) {
        (Some(chapter), None) => chapter,
        (None, _) => panic!("no page has {heading:?}"),
        (Some(_), Some(_)) => panic!("two pages have {heading:?}"),
    }
}

fn below(page: &'static str, heading: &str) -> Option<&'static str> {
    let rest = match page.strip_prefix(heading).and_then(|rest| rest.strip_prefix('\n')) {
        Some(rest) => rest,
        None => page.split_once(&format!("\n{heading}\n"))?.1,
    };
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
    Some(rest[..end].trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chapter_ends_where_the_next_begins() {
        let install = chapter("# Install");
        assert!(install.starts_with("Linux is required."));
        assert!(install.contains("\n## Services\n") && install.contains("# then set your tiers"));
        let services = chapter("## Services");
        assert!(install.contains(services) && !services.contains("\n## "), "{services}");
        let keys = chapter("# All keys");
        assert!(keys.ends_with('|'), "{keys}");
    }
}
