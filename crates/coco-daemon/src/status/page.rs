//! The page and its policy.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use sha2::{Digest, Sha256};

use super::html::{Html, filled};
use super::section::Section;
use crate::http::Response;

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The media type of the page.
pub const HTML: &str = "text/html; charset=utf-8";

/// A status page.
#[derive(Debug)]
pub struct Page {
    /// Whose page it is.
    pub program: &'static str,
    /// Its version.
    pub version: &'static str,
    /// The trouble, if there is any.
    pub trouble: Option<&'static str>,
    /// The label of its search box.
    pub question: &'static str,
    /// The text that was searched for.
    pub name: String,
    /// Everything else, in its order.
    pub sections: Vec<Section>,
    /// Other views: paths.
    pub links: Vec<&'static str>,
}

impl Page {
    /// Its HTML.
    pub fn html(&self) -> Html {
        filled(TEMPLATE, |place| match place {
            "title" => {
                let state = self.trouble.map_or_else(String::new, |trouble| format!("{trouble} – "));
                Html::new().text(state).text(self.program)
            }
            "style" => Html::new().markup(STYLE),
            "script" => Html::new().markup(SCRIPT),
            "program" => Html::new().text(self.program),
            "version" => Html::new().text(self.version),
            "question" => Html::new().text(self.question),
            "name" => Html::new().text(&self.name),
            "links" => Html::new().each(&self.links, |html, path| {
                html.markup("<a href=\"").text(path).markup("\">").text(path).markup("</a> ")
            }),
            "sections" => Html::new().each(&self.sections, |html, section| html.html(&section.html())),
            other => Html::new().text(other),
        })
    }
}

/// The policy for browsers (Content-Security-Policy): run and show what stands in it, ask this server again, and
/// nothing else.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
    let policy = format!(
        "default-src 'none'; script-src {}; style-src {}; img-src data:; connect-src 'self'; form-action 'self'; \
         base-uri 'none'; frame-ancestors 'none'",
        hash(SCRIPT),
        hash(STYLE)
    );
    policy.parse().expect("it is ASCII")
});

/// Adds what keeps a page from doing more than it should, and from being kept.
pub fn protect(response: &mut Response) {
    let fields = response.headers_mut();
    fields.insert(CONTENT_SECURITY_POLICY, POLICY.clone());
    fields.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    fields.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::body;

    fn page(name: &str) -> String {
        let page = Page {
            program: "coco",
            version: "1.2.3",
            trouble: Some("draining"),
            question: "Host",
            name: name.to_owned(),
            sections: vec![Section::new("Targets")],
            links: vec!["/metrics"],
        };
        page.html().as_str().to_owned()
    }

    #[test]
    fn every_place_is_filled_and_nothing_is_taken_from_elsewhere() {
        let page = page("web1");
        assert!(!page.contains("{{") && !page.contains("://"), "{page}");
        assert!(!page.contains(" style=") && !page.contains(" onclick="));
        for part in
            ["<title>draining – coco</title>", "value=\"web1\"", "<h2>Targets</h2>", "href=\"/metrics\""]
        {
            assert!(page.contains(part), "{part} in {page}");
        }
    }

    #[test]
    fn what_is_searched_for_stays_a_text() {
        assert!(page("\"><script>").contains("value=\"&quot;&gt;&lt;script&gt;\""));
    }

    #[test]
    fn the_policy_lets_nothing_but_the_page_itself_run() {
        let mut response = body::text(HTML, page(""));
        protect(&mut response);
        let policy = response.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'sha256-"), "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
    }
}
