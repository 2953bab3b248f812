//! Parameters as forms encode them, in a query or in a body: names and values are bytes, one name may come several times.
//!
//! Nothing is collected: a form of a megabyte may hold half a million parameters, of which a route wants a few.

use std::borrow::Cow;

use percent_encoding::percent_decode;

/// The name and the value of a parameter.
pub type Parameter<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

/// The form of a body that holds parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Encoding {
    /// `application/x-www-form-urlencoded`, or what does not say what it is.
    Url,
    /// `multipart/form-data`, with two dashes and the boundary.
    Multipart(Vec<u8>),
}

impl Encoding {
    /// By the media type of a body; none where it is no form.
    pub fn of(media_type: Option<&[u8]>) -> Option<Self> {
        let Some(text) = media_type else { return Some(Self::Url) };
        let mut pieces = text.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let name = pieces.next().unwrap_or_default();
        if name.eq_ignore_ascii_case(b"application/x-www-form-urlencoded") {
            return Some(Self::Url);
        }
        if !name.eq_ignore_ascii_case(b"multipart/form-data") {
            return None;
        }
        let boundary = pieces.find_map(|piece| attribute(piece, b"boundary"))?;
        // RFC 2046, 5.1.1.
        (1..=70).contains(&boundary.len()).then(|| Self::Multipart([b"--", boundary].concat()))
    }

    /// The parameters of such a body.
    pub fn parameters<'a>(&'a self, body: &'a [u8]) -> Parameters<'a> {
        match self {
            Self::Url => Parameters::of_query(body),
            Self::Multipart(boundary) => Parameters(Rest::Parts(Parts::new(boundary, body))),
        }
    }
}

/// `name=value`, quoted or not.
fn attribute<'a>(piece: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let equals = piece.iter().position(|byte| *byte == b'=')?;
    let (found, value) = (piece[..equals].trim_ascii(), piece[equals + 1..].trim_ascii());
    let unquoted = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
    found.eq_ignore_ascii_case(name).then(|| unquoted.unwrap_or(value))
}

/// Parameters, in the order in which they come.
#[derive(Debug, Clone)]
pub struct Parameters<'a>(Rest<'a>);

#[derive(Debug, Clone)]
enum Rest<'a> {
    Pairs(&'a [u8]),
    Parts(Parts<'a>),
}

impl<'a> Parameters<'a> {
    /// Those of `a=1&b=2`, decoded: `%41` is a byte, `+` a space, and a `%` without two hexadecimal digits stands for
    /// itself.
    pub fn of_query(text: &'a [u8]) -> Self {
        Self(Rest::Pairs(text))
    }
}

impl<'a> Iterator for Parameters<'a> {
    type Item = Parameter<'a>;

    fn next(&mut self) -> Option<Parameter<'a>> {
        let rest = match &mut self.0 {
            Rest::Pairs(rest) => rest,
            Rest::Parts(parts) => return parts.next(),
        };
        while !rest.is_empty() {
            let end = rest.iter().position(|byte| *byte == b'&').unwrap_or(rest.len());
            let pair = &rest[..end];
            *rest = rest.get(end + 1..).unwrap_or_default();
            if !pair.is_empty() {
                let equals = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
                return Some((decode(&pair[..equals]), decode(pair.get(equals + 1..).unwrap_or_default())));
            }
        }
        None
    }
}

/// As forms are decoded.
fn decode(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.contains(&b'+') {
        return percent_decode(text).into();
    }
    let spaced: Vec<u8> = text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    Cow::Owned(percent_decode(&spaced).collect())
}

/// The parts of a body of several (RFC 7578). One that has no name is passed over, and so is what is not closed.
#[derive(Debug, Clone)]
struct Parts<'a> {
    delimiter: &'a [u8],
    /// From behind a delimiter.
    rest: Option<&'a [u8]>,
}

impl<'a> Parts<'a> {
    fn new(delimiter: &'a [u8], body: &'a [u8]) -> Self {
        // The first may stand at the very beginning; what is before it says nothing.
        let rest = match body.strip_prefix(delimiter) {
            Some(rest) => Some(rest),
            None => split_at(body, &[b"\r\n", delimiter].concat()).map(|(_, rest)| rest),
        };
        Self { delimiter, rest }
    }

    fn next(&mut self) -> Option<Parameter<'a>> {
        loop {
            let rest = self.rest.take()?;
            if rest.starts_with(b"--") {
                return None;
            }
            let (_, part) = split_at(rest, b"\r\n")?;
            let (part, behind) = split_at(part, &[b"\r\n", self.delimiter].concat())?;
            self.rest = Some(behind);
            let (fields, value) = split_at(part, b"\r\n\r\n").unwrap_or((part, b""));
            if let Some(name) = name_of(fields) {
                return Some((Cow::Borrowed(name), Cow::Borrowed(value)));
            }
        }
    }
}

/// The text before and behind the first of them.
fn split_at<'a>(text: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let first = *mark.first()?;
    let mut from = 0;
    loop {
        let place = from + text.get(from..)?.iter().position(|byte| *byte == first)?;
        if text[place..].starts_with(mark) {
            return Some((&text[..place], &text[place + mark.len()..]));
        }
        from = place + 1;
    }
}

/// The name in `Content-Disposition: form-data; name="..."`.
fn name_of(fields: &[u8]) -> Option<&[u8]> {
    fields.split(|byte| *byte == b'\n').find_map(|field| {
        let colon = field.iter().position(|byte| *byte == b':')?;
        if !field[..colon].trim_ascii().eq_ignore_ascii_case(b"content-disposition") {
            return None;
        }
        field[colon + 1..]
            .split(|byte| *byte == b';')
            .find_map(|piece| attribute(piece.trim_ascii(), b"name"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(parameters: Parameters<'_>) -> Vec<(String, String)> {
        let text = |bytes: Cow<'_, [u8]>| String::from_utf8_lossy(&bytes).into_owned();
        parameters.map(|(name, value)| (text(name), text(value))).collect()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn parameters_keep_their_order_and_come_as_often_as_they_are_written() {
        let query = b"target=a&&target=b%2Bc+d&x&=y&p=%zz%4&q=a=b";
        let expected =
            [("target", "a"), ("target", "b+c d"), ("x", ""), ("", "y"), ("p", "%zz%4"), ("q", "a=b")];
        assert_eq!(all(Parameters::of_query(query)), pairs(&expected));
        assert_eq!(all(Parameters::of_query(b"")), []);
    }

    #[test]
    fn parts_are_parameters() {
        let encoding = Encoding::of(Some(b"Multipart/Form-Data; Boundary=\"x y\"")).unwrap();
        let body = "before\r\n--x y\r\nContent-Disposition: form-data; name=\"target\"\r\n\r\na.*\r\n\
            --x y\r\ncontent-type: text/plain\r\nContent-Disposition: form-data; name=target\r\n\r\n\r\nb\r\n--x\r\n\
            --x y\r\nContent-Disposition: form-data\r\n\r\nnobody's\r\n--x y--\r\nbehind";
        let expected = [("target", "a.*"), ("target", "\r\nb\r\n--x")];
        assert_eq!(all(encoding.parameters(body.as_bytes())), pairs(&expected));
        for (body, count) in [("", 0), ("--x y", 0), ("--x y--", 0), ("--x y\r\n\r\n--x", 0), (body, 2)] {
            assert_eq!(all(encoding.parameters(body.as_bytes())).len(), count, "{body:?}");
        }
    }

    #[test]
    fn what_is_no_form_is_not_taken_for_one() {
        assert_eq!(Encoding::of(None), Some(Encoding::Url));
        let url: &[u8] = b"application/x-www-form-urlencoded; charset=utf-8";
        assert_eq!(Encoding::of(Some(url)), Some(Encoding::Url));
        for other in
            ["application/json", "multipart/form-data", "multipart/form-data; boundary=", "text/plain"]
        {
            assert_eq!(Encoding::of(Some(other.as_bytes())), None, "{other}");
        }
    }
}
