//! Texts with something in them changed.

/// `text` with every pair replaced, wherever it stands.
///
/// # Panics
/// When something to replace is not there: then the text has changed, and the test must follow.
#[must_use]
pub fn replaced(text: &str, pairs: &[(&str, &str)]) -> String {
    pairs.iter().fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "no `{from}` in:\n{text}");
        text.replace(from, to)
    })
}
