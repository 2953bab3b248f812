//! The field `Host`, without which a request of HTTP/1.1 says nothing (RFC 9112, 3.2).

use hyper::Version;
use hyper::header::{HOST, HeaderMap};
use hyper::http::uri::Authority;

/// The problem with a request's `Host`, if there is one.
pub(super) fn fault(version: Version, fields: &HeaderMap) -> Option<&'static str> {
    let mut hosts = fields.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => (version == Version::HTTP_11).then_some("the field Host is missing"),
        (Some(_), Some(_)) => Some("more than one field Host"),
        (Some(host), None) => (!is_valid(host.as_bytes())).then_some("the field Host holds no host"),
    }
}

/// A host, and a port maybe. Empty stands for a URI without one.
fn is_valid(host: &[u8]) -> bool {
    if host.is_empty() || is_plain(host) {
        return true;
    }
    let Ok(authority) = Authority::try_from(host) else { return false };
    let text = authority.as_str();
    let port = text.strip_prefix(authority.host()).unwrap_or("?");
    let is_number = |digits: &str| {
        digits.bytes().all(|digit| digit.is_ascii_digit())
            && (digits.is_empty() || digits.parse::<u16>().is_ok())
    };
    !text.contains('@')
        && !authority.host().is_empty()
        && (port.is_empty() || port.strip_prefix(':').is_some_and(is_number))
}

/// Whether it is a short name or an address of IPv4, which nearly all are.
fn is_plain(host: &[u8]) -> bool {
    let colon = host.iter().position(|byte| *byte == b':');
    let (name, port) = colon.map_or((host, &b""[..]), |colon| (&host[..colon], &host[colon + 1..]));
    let is_of_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    let number = |digits: &[u8]| digits.iter().fold(0, |number, digit| 10 * number + u32::from(digit - b'0'));
    (1..=255).contains(&name.len())
        && name.iter().all(is_of_name)
        && port.len() <= 5
        && port.iter().all(u8::is_ascii_digit)
        && number(port) <= u32::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_and_maybe_a_port() {
        for good in ["", "localhost", "a.b-c_d:80", "10.0.0.1:9090", "[::1]", "[::1]:80", "a:", "x,y"] {
            assert!(is_valid(good.as_bytes()), "{good:?}");
        }
        for bad in [
            "a b", "a/b", "a@b", "@", ":80", "a:b", "a:65536", "a:+1", "a:1:2", "::1", "[::1", "a?b", "a\\b",
            "\u{e9}",
        ] {
            assert!(!is_valid(bad.as_bytes()), "{bad:?}");
        }
    }

    #[test]
    fn old_requests_may_have_none_and_no_request_two() {
        let fields = |hosts: &[&'static str]| {
            let mut fields = HeaderMap::new();
            for host in hosts {
                fields.append(HOST, host.parse().unwrap());
            }
            fields
        };
        assert_eq!(fault(Version::HTTP_10, &fields(&[])), None);
        assert!(fault(Version::HTTP_11, &fields(&[])).is_some());
        for version in [Version::HTTP_10, Version::HTTP_11] {
            assert_eq!(fault(version, &fields(&["a:80"])), None);
            assert!(fault(version, &fields(&["a", "a"])).is_some());
            assert!(fault(version, &fields(&["a b"])).is_some());
        }
    }
}
