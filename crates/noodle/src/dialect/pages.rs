//! Web pages of other hosts, and what they may have.
//!
//! A page can have an answer in two ways. A script whose address is ours runs in the page, whoever wrote the page; that
//! is what a callback is for (JSON-P), so callbacks are answered by what the browser says of the page. What a page
//! asks for with `fetch()` the browser gives to it only if the answer names the page's origin (CORS).

use coco_core::config::Fetch;
use coco_core::origin::{Origin, host_of};
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, HOST, HeaderMap, HeaderValue, ORIGIN, REFERER, VARY,
};
use thiserror::Error;

/// For so long, in seconds, a browser needs not ask again whether it may ask.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// What a page may ask with.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD");

/// The fields of answers that pages of other hosts may read.
const FIELDS: &str =
    "X-Noodle-Host, X-Noodle-Target, X-Noodle-Url, X-Noodle-Tier, X-Noodle-Partial, X-Noodle-Error";

/// Which pages may have answers.
#[derive(Debug)]
pub struct Pages {
    jsonp: bool,
    allowed: Vec<Origin>,
}

/// Why a callback is not called.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Foreign {
    /// None is.
    #[error("callbacks are not answered here (fetch.jsonp)")]
    Callbacks,
    /// Not for this page.
    #[error("callbacks are answered for pages of this host and of fetch.allow_origin, not for {0}")]
    Page(String),
}

impl Pages {
    /// As configured.
    pub fn new(config: &Fetch) -> Self {
        Self { jsonp: config.jsonp, allowed: config.allow_origin.clone() }
    }

    /// Whether a request with these fields may have its callback called. One that says of no page that it comes from
    /// there may: browsers and pages can leave that out, and so does everything that is no browser.
    pub fn admit(&self, fields: &HeaderMap) -> Result<(), Foreign> {
        if !self.jsonp {
            return Err(Foreign::Callbacks);
        }
        let own = fields.get(HOST).and_then(|host| host_of(host.to_str().ok()?));
        let pages = [ORIGIN, REFERER].into_iter().flat_map(|name| fields.get_all(name));
        for page in pages.filter(|page| !page.is_empty()) {
            let origin = page.to_str().ok().and_then(|url| Origin::of_url(url).ok());
            let is_own = |origin: &Origin| Some(origin.host()) == own.as_deref();
            if !origin.as_ref().is_some_and(|origin| is_own(origin) || self.allowed.contains(origin)) {
                let shown = origin.map_or_else(|| "an unknown page".to_owned(), |origin| origin.to_string());
                return Err(Foreign::Page(shown));
            }
        }
        Ok(())
    }

    /// Adds what browsers and caches need to know to an answer to a request with the fields `asked`: whether the page
    /// may read it, and who else may be given the same.
    pub fn add_to(&self, fields: &mut HeaderMap, asked: &HeaderMap, has_callback: bool) {
        if has_callback {
            fields.insert(VARY, HeaderValue::from_static("Origin, Referer"));
        } else if !self.allowed.is_empty() {
            fields.insert(VARY, HeaderValue::from_static("Origin"));
        }
        if let Some(origin) = self.allowed_of(asked) {
            fields.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            fields.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(FIELDS));
        }
    }

    /// The fields of an answer to OPTIONS with the fields `asked`: whether a page may ask what a browser does not let
    /// every page ask.
    pub fn preflight(&self, asked: &HeaderMap) -> HeaderMap {
        let mut fields = HeaderMap::new();
        self.add_to(&mut fields, asked, false);
        if fields.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN)
            && asked.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
        {
            fields.remove(ACCESS_CONTROL_EXPOSE_HEADERS);
            fields.append(VARY, HeaderValue::from_static("Access-Control-Request-Headers"));
            fields.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            fields.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
            // No field of a request means anything here but those that a browser sets, nor goes any on to a node.
            if let Some(wanted) = asked.get(ACCESS_CONTROL_REQUEST_HEADERS) {
                fields.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
            }
        }
        fields
    }

    /// The origin of a request, if it is one of those that may read.
    fn allowed_of<'a>(&self, asked: &'a HeaderMap) -> Option<&'a HeaderValue> {
        let is_allowed = |origin: &&HeaderValue| {
            let origin = origin.to_str().ok().and_then(|origin| origin.parse().ok());
            origin.is_some_and(|origin| self.allowed.contains(&origin))
        };
        asked.get(ORIGIN).filter(is_allowed)
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderName;

    use super::*;

    fn pages(jsonp: bool, allowed: &[&str]) -> Pages {
        Pages { jsonp, allowed: allowed.iter().map(|origin| origin.parse().unwrap()).collect() }
    }

    fn fields(fields: &[(HeaderName, &'static str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    const NOODLE: (HeaderName, &str) = (HOST, "noodle.example.org:9080");

    #[test]
    fn a_callback_is_called_for_pages_of_the_same_host_and_those_that_are_listed() {
        let pages = pages(true, &["https://graphs.example.org"]);
        for fine in [
            &[][..],
            &[(REFERER, "")],
            &[(REFERER, "http://noodle.example.org/graphs?x#y")],
            &[(REFERER, "https://Noodle.example.org:8443/")],
            &[(ORIGIN, "http://noodle.example.org:9080"), (REFERER, "http://noodle.example.org:9080/")],
            &[(REFERER, "https://graphs.example.org/a/b")],
            &[(ORIGIN, "https://graphs.example.org")],
        ] {
            assert_eq!(pages.admit(&fields(&[&[NOODLE], fine].concat())), Ok(()), "{fine:?}");
        }
        for foreign in [
            &[(REFERER, "http://evil.example.net/noodle.example.org")][..],
            &[(REFERER, "http://noodle.example.org@evil.example.net/")],
            &[(REFERER, "http://graphs.example.org/")],
            &[(REFERER, "https://graphs.example.org:8443/")],
            &[(REFERER, "noodle.example.org")],
            &[(ORIGIN, "null")],
            &[(ORIGIN, "http://evil.example.net"), (REFERER, "http://noodle.example.org/")],
            &[(ORIGIN, "http://noodle.example.org"), (REFERER, "http://evil.example.net/")],
        ] {
            let refused = pages.admit(&fields(&[&[NOODLE], foreign].concat()));
            assert!(matches!(refused, Err(Foreign::Page(_))), "{foreign:?}");
        }
        // Whose host is unknown has no pages of its own.
        assert!(pages.admit(&fields(&[(REFERER, "http://noodle.example.org/")])).is_err());
    }

    #[test]
    fn without_jsonp_nothing_is_called() {
        let pages = pages(false, &["https://graphs.example.org"]);
        assert_eq!(pages.admit(&HeaderMap::new()), Err(Foreign::Callbacks));
    }

    #[test]
    fn only_an_origin_that_is_listed_may_read() {
        let listed = pages(true, &["https://graphs.example.org"]);
        let page = fields(&[NOODLE, (ORIGIN, "https://graphs.example.org")]);
        let answer_of = |pages: &Pages, asked: &HeaderMap, has_callback| {
            let mut fields = HeaderMap::new();
            pages.add_to(&mut fields, asked, has_callback);
            fields
        };
        let answer = answer_of(&listed, &page, false);
        assert_eq!(answer[ACCESS_CONTROL_ALLOW_ORIGIN], "https://graphs.example.org");
        assert_eq!(answer[VARY], "Origin");
        assert_eq!(answer_of(&listed, &page, true)[VARY], "Origin, Referer");
        assert!(answer[ACCESS_CONTROL_EXPOSE_HEADERS].to_str().unwrap().contains("X-Noodle-Target"));
        for origin in ["http://graphs.example.org", "https://graphs.example.org.evil.net", "null", "*"] {
            let answer = answer_of(&listed, &fields(&[NOODLE, (ORIGIN, origin)]), false);
            assert_eq!(answer.keys().collect::<Vec<_>>(), [VARY], "{origin}");
        }
        assert!(answer_of(&pages(true, &[]), &page, false).is_empty());
    }

    #[test]
    fn a_preflight_is_told_what_it_may() {
        let pages = pages(true, &["https://graphs.example.org"]);
        let asked = fields(&[
            NOODLE,
            (ORIGIN, "https://graphs.example.org"),
            (ACCESS_CONTROL_REQUEST_METHOD, "GET"),
            (ACCESS_CONTROL_REQUEST_HEADERS, "x-requested-with"),
        ]);
        let answer = pages.preflight(&asked);
        assert_eq!(answer[ACCESS_CONTROL_ALLOW_ORIGIN], "https://graphs.example.org");
        assert_eq!(answer[ACCESS_CONTROL_ALLOW_METHODS], "GET, HEAD");
        assert_eq!(answer[ACCESS_CONTROL_ALLOW_HEADERS], "x-requested-with");
        assert_eq!(answer[ACCESS_CONTROL_MAX_AGE], "600");
        let vary: Vec<_> = answer.get_all(VARY).iter().collect();
        assert_eq!(vary, ["Origin", "Access-Control-Request-Headers"]);
        let other =
            fields(&[NOODLE, (ORIGIN, "http://evil.example.net"), (ACCESS_CONTROL_REQUEST_METHOD, "GET")]);
        assert_eq!(pages.preflight(&other).keys().collect::<Vec<_>>(), [VARY]);
    }
}
