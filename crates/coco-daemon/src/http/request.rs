//! A request as a route sees it.

use hyper::header::{ACCEPT, ACCEPT_ENCODING, HeaderMap, HeaderName};
use hyper::{Method, Uri};

use super::connections::HangUp;
use super::form::Form;
use super::parameters::Parameters;

/// A request, with a form where its route takes one.
#[derive(Debug)]
pub struct Request {
    head: hyper::http::request::Parts,
    form: Option<Form>,
    hang_up: Option<HangUp>,
}

impl Request {
    /// The head of a request without a body.
    pub fn new(head: hyper::http::request::Parts) -> Self {
        Self { head, form: None, hang_up: None }
    }

    /// As it came by a connection, which `hang_up` ends.
    pub(super) fn received(head: hyper::http::request::Parts, form: Option<Form>, hang_up: HangUp) -> Self {
        Self { head, form, hang_up: Some(hang_up) }
    }

    /// GET or HEAD by the time a handler sees it, or POST where its route takes forms.
    pub fn method(&self) -> &Method {
        &self.head.method
    }

    /// The path, as it came.
    pub fn uri(&self) -> &Uri {
        &self.head.uri
    }

    /// The path as it came, percent-encoded.
    pub fn path(&self) -> &str {
        self.head.uri.path()
    }

    /// The query behind the question mark, as it came.
    pub fn query(&self) -> Option<&str> {
        self.head.uri.query()
    }

    /// The bytes of the form, as they came.
    pub fn form(&self) -> Option<&[u8]> {
        self.form.as_ref().map(Form::bytes)
    }

    /// The parameters of the query, then those of the form, decoded as forms are: `%41` is a byte, `+` a space, and a
    /// `%` without two hexadecimal digits stands for itself.
    pub fn parameters(&self) -> impl Iterator<Item = super::Parameter<'_>> {
        let of_form = self.form.iter().flat_map(Form::parameters);
        Parameters::of_query(self.query().unwrap_or_default().as_bytes()).chain(of_form)
    }

    /// The first parameter called `name`. Host names are bytes, so this is too.
    pub fn parameter(&self, name: &str) -> Option<Vec<u8>> {
        self.parameters().find(|(found, _)| **found == *name.as_bytes()).map(|(_, value)| value.into_owned())
    }

    /// Ends the connection that it came by; none where it came by none.
    pub fn hang_up(&self) -> Option<HangUp> {
        self.hang_up.clone()
    }

    /// The header fields.
    pub fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// Whether an answer may be compressed with gzip.
    pub fn accepts_gzip(&self) -> bool {
        weight(self.headers(), &ACCEPT_ENCODING, &["gzip", "x-gzip", "*"]).is_some_and(|weight| weight > 0)
    }

    /// Which of these media types the client likes best; none where it says nothing of them by name.
    pub fn preferred<'a>(&self, media_types: &[&'a str]) -> Option<&'a str> {
        let weighed =
            |name: &&&'a str| weight(self.headers(), &ACCEPT, &[**name]).filter(|weight| *weight > 0);
        // Of those that it likes alike, the first.
        let liked = media_types.iter().rev().filter(|name| weighed(name).is_some());
        liked.max_by_key(weighed).copied()
    }
}

/// The weight in thousandths of the first of these names that a field lists (RFC 9110, 12.4.2).
fn weight(fields: &HeaderMap, field: &HeaderName, names: &[&str]) -> Option<u32> {
    let values = || fields.get_all(field).iter().filter_map(|value| value.to_str().ok());
    let weight_of = |name: &str| {
        values().flat_map(|value| value.split(',')).find_map(|item| {
            let mut pieces = item.split(';').map(str::trim);
            let is_it = pieces.next()?.eq_ignore_ascii_case(name);
            is_it.then(|| pieces.find_map(|piece| thousandths(piece.strip_prefix("q=")?)).unwrap_or(1000))
        })
    };
    names.iter().find_map(|name| weight_of(name))
}

/// `0.5` is 500; what is no weight is 0.
fn thousandths(text: &str) -> Option<u32> {
    let weight = text.parse::<f64>().ok().filter(|weight| (0.0..=1.0).contains(weight)).unwrap_or(0.0);
    // Between 0 and 1000.
    Some((weight * 1000.0) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(target: &str, fields: &[(&'static str, &'static str)]) -> Request {
        let mut builder = hyper::Request::get(target);
        for (name, value) in fields {
            builder = builder.header(*name, *value);
        }
        Request::new(builder.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn parameters_are_decoded_to_bytes() {
        let parameter = |query: &str| request(&format!("/lookup?{query}"), &[]).parameter("name");
        assert_eq!(parameter("name=web%2D1.example.org"), Some(b"web-1.example.org".to_vec()));
        assert_eq!(parameter("x=1&n%61me=a+b&name=second"), Some(b"a b".to_vec()));
        assert_eq!(parameter("name=%ff%zz%4"), Some(b"\xff%zz%4".to_vec()));
        assert_eq!(parameter("name=a=b"), Some(b"a=b".to_vec()));
        assert_eq!(parameter("name"), Some(Vec::new()));
        assert_eq!(parameter("names=a"), None);
        assert_eq!(request("/lookup", &[]).parameter("name"), None);
    }

    #[test]
    fn an_answer_is_compressed_for_who_says_so() {
        for (value, accepts) in [
            ("gzip", true),
            ("deflate, GZIP;q=0.5", true),
            ("*", true),
            ("gzip;q=0", false),
            ("gzip;q=0, *", false),
            ("identity", false),
            ("gzip;q=nonsense", false),
        ] {
            assert_eq!(request("/", &[("accept-encoding", value)]).accepts_gzip(), accepts, "{value}");
        }
        assert!(!request("/", &[]).accepts_gzip());
    }

    #[test]
    fn a_client_gets_what_it_likes_best() {
        let types = ["application/json", "text/csv"];
        for (value, preferred) in [
            ("text/csv", Some("text/csv")),
            ("text/csv;q=0.5, application/json", Some("application/json")),
            ("text/csv, application/json", Some("application/json")),
            ("application/json;q=0", None),
            ("*/*", None),
        ] {
            assert_eq!(request("/", &[("accept", value)]).preferred(&types), preferred, "{value}");
        }
    }
}
