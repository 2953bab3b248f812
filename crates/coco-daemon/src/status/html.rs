//! HTML in which nothing that comes from elsewhere is markup.

use std::fmt::{self, Display, Write};

/// A piece of HTML. It grows by markup that stands in our own code, and by text that is escaped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Html(String);

impl Html {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds markup of ours.
    #[must_use]
    pub fn markup(mut self, markup: &'static str) -> Self {
        self.0.push_str(markup);
        self
    }

    /// Adds a text: as content of an element, or in quotation marks as the value of an attribute.
    #[must_use]
    pub fn text(mut self, text: impl Display) -> Self {
        // Memory takes it.
        let _ = write!(Escaped(&mut self.0), "{text}");
        self
    }

    /// Adds other HTML.
    #[must_use]
    pub fn html(mut self, other: &Self) -> Self {
        self.0.push_str(&other.0);
        self
    }

    /// Adds other HTML for each of some things.
    #[must_use]
    pub fn each<T>(self, things: impl IntoIterator<Item = T>, add: impl FnMut(Self, T) -> Self) -> Self {
        things.into_iter().fold(self, add)
    }

    /// The bytes of it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Escapes what is written to it.
struct Escaped<'a>(&'a mut String);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                // HTML has no place for it.
                '\0' => self.0.push(char::REPLACEMENT_CHARACTER),
                other => self.0.push(other),
            }
        }
        Ok(())
    }
}

/// Fills the places `{{name}}` of a template, each with what `fill` has for its name.
pub(super) fn filled(template: &'static str, fill: impl Fn(&str) -> Html) -> Html {
    let mut pieces = template.split("{{");
    let mut page = Html::new().markup(pieces.next().unwrap_or_default());
    for piece in pieces {
        let (name, behind) = piece.split_once("}}").unwrap_or((piece, ""));
        page = page.html(&fill(name)).markup(behind);
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_never_markup() {
        let hostile = "\"><script>alert('&')</script>\0";
        let html = Html::new().markup("<p title=\"").text(hostile).markup("\">").text(hostile).markup("</p>");
        let escaped = "&quot;&gt;&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;\u{fffd}";
        assert_eq!(html.as_str(), format!("<p title=\"{escaped}\">{escaped}</p>"));
    }

    #[test]
    fn places_of_a_template_are_filled() {
        let page = filled("<i>{{a}}</i>{{b}}{{a}}.", |name| Html::new().text(format!("<{name}>")));
        assert_eq!(page.as_str(), "<i>&lt;a&gt;</i>&lt;b&gt;&lt;a&gt;.");
    }
}
