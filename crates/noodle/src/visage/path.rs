//! From the path of a request to what it asks for.
//!
//! | path | asks for |
//! |---|---|
//! | `/data` | all hosts |
//! | `/data/HOSTS` | the metrics of hosts |
//! | `/data/HOSTS/PLUGIN[/INSTANCES]` | series |
//!
//! Trailing slashes say nothing. Parts are percent-decoded to see whether they are fit for a storage node, and to
//! find the hosts; what is asked for is forwarded as it came, as far as it may stand in a URL ([`crate::upstream::visage::url`]).

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use thiserror::Error;

use crate::ask::Content;

/// A path below `/data`, found fit to be forwarded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataPath<'a> {
    /// As it came, less trailing slashes.
    pub whole: &'a str,
    /// What the answer holds.
    pub content: Content,
    /// The part that names hosts, decoded; empty where all hosts are asked for.
    pub host: Cow<'a, [u8]>,
    /// What stands behind that part, as it came: `/PLUGIN/INSTANCES`, or nothing.
    pub rest: &'a str,
}

/// Why a path is not forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PathError {
    /// The part that names hosts is at fault.
    #[error("the host {0}")]
    Host(Fault),
    /// Another part is.
    #[error("a part of the path {0}")]
    Other(Fault),
}

/// What is wrong with a part of a path. Any of these would lead out of the directory that the part stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Fault {
    /// Two slashes in a row.
    #[error("is empty")]
    Empty,
    /// `%2F`, or a backslash, of which Visage (rack-protection) makes one.
    #[error("has an encoded slash or a backslash")]
    Slash,
    /// `.`, or two dots in a row.
    #[error("has dots that mean a directory")]
    Dots,
    /// NUL, a line break, or the like.
    #[error("has a control character")]
    Control,
}

impl<'a> DataPath<'a> {
    /// Reads a path that begins with `/data`.
    pub fn parse(path: &'a str) -> Result<Self, PathError> {
        let whole = path.trim_end_matches('/');
        let below = whole.strip_prefix("/data").unwrap_or_default();
        let Some(parts) = below.strip_prefix('/') else {
            return Ok(Self { whole, content: Content::Hosts, host: Cow::Borrowed(b""), rest: "" });
        };
        let end = parts.find('/').unwrap_or(parts.len());
        let (host, rest) = parts.split_at(end);
        let host = decode(host);
        check(&host).map_err(PathError::Host)?;
        for part in rest.split('/').skip(1) {
            check(&decode(part)).map_err(PathError::Other)?;
        }
        let content = if rest.is_empty() { Content::Metrics } else { Content::Series };
        Ok(Self { whole, content, host, rest })
    }
}

fn decode(part: &str) -> Cow<'_, [u8]> {
    if part.bytes().any(|byte| byte == b'%') {
        percent_decode_str(part).into()
    } else {
        Cow::Borrowed(part.as_bytes())
    }
}

/// Whether a decoded part can be the name of a directory or a file, and of nothing else.
pub(crate) fn check(part: &[u8]) -> Result<(), Fault> {
    if part.is_empty() {
        Err(Fault::Empty)
    } else if part.iter().any(|byte| matches!(byte, b'/' | b'\\')) {
        Err(Fault::Slash)
    } else if part == b"." || part.windows(2).any(|pair| pair == b"..") {
        Err(Fault::Dots)
    } else if part.iter().any(u8::is_ascii_control) {
        Err(Fault::Control)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(path: &str) -> (Content, Vec<u8>, &str, &str) {
        let path = DataPath::parse(path).unwrap();
        (path.content, path.host.to_vec(), path.rest, path.whole)
    }

    #[test]
    fn trailing_slashes_say_nothing() {
        for path in ["/data", "/data/", "/data///"] {
            assert_eq!(parse(path), (Content::Hosts, b"".to_vec(), "", "/data"));
        }
        for path in ["/data/web1", "/data/web1/", "/data/web1//"] {
            assert_eq!(parse(path), (Content::Metrics, b"web1".to_vec(), "", "/data/web1"));
        }
        assert_eq!(
            parse("/data/web1/load/load/"),
            (Content::Series, b"web1".to_vec(), "/load/load", "/data/web1/load/load")
        );
    }

    #[test]
    fn the_host_is_decoded_and_the_rest_is_not() {
        assert_eq!(
            parse("/data/%61%ff%2C%zz/lo%61d/%5B01%5D"),
            (
                Content::Series,
                b"a\xff,%zz".to_vec(),
                "/lo%61d/%5B01%5D",
                "/data/%61%ff%2C%zz/lo%61d/%5B01%5D"
            )
        );
    }

    #[test]
    fn what_leads_elsewhere_is_refused_in_every_part() {
        for (part, fault) in [
            ("a%2Fb", Fault::Slash),
            ("..%2f..%2fetc", Fault::Slash),
            ("a%5Cb", Fault::Slash),
            ("a\\b", Fault::Slash),
            ("..", Fault::Dots),
            ("%2e%2e", Fault::Dots),
            ("a..b", Fault::Dots),
            (".", Fault::Dots),
            ("a%00", Fault::Control),
            ("%0d%0a", Fault::Control),
            ("%7f", Fault::Control),
            ("", Fault::Empty),
        ] {
            assert_eq!(DataPath::parse(&format!("/data/{part}/x")), Err(PathError::Host(fault)), "{part}");
            let error = Err(PathError::Other(fault));
            assert_eq!(DataPath::parse(&format!("/data/x/{part}/y")), error, "{part}");
            assert_eq!(DataPath::parse(&format!("/data/x/y/z/{part}/y")), error, "{part}");
        }
        assert!(DataPath::parse("/data/a.b/c.d-e%20f/%5B").is_ok());
    }
}
