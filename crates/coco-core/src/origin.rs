//! Where a web page comes from, as browsers say it: `https://graphs.example.org`, `http://10.1.1.5:8080`.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Scheme, host and port of a web page (RFC 6454).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Lower case.
    scheme: String,
    /// Lower case; an IPv6 address in brackets.
    host: String,
    /// None for that of the scheme.
    port: Option<u16>,
}

/// Why a text is no origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum OriginError {
    /// Whoever lets all pages in need not name any.
    #[error("name the pages, or every page that anyone opens could read everything")]
    All,
    /// There is no `://`, or nothing that could be a scheme in front of it.
    #[error("it must start with a scheme such as https://")]
    Scheme,
    /// No host, or characters that stand in none.
    #[error("the host must be a name in ASCII letters or an address")]
    Host,
    /// Behind the host.
    #[error("behind the colon there must be a port from 1 to 65535")]
    Port,
    /// Something stands behind the port.
    #[error("an origin has no path: it ends behind the host, or its port")]
    Path,
}

impl Origin {
    /// That of a page with this URL.
    ///
    /// ```
    /// use coco_core::origin::Origin;
    ///
    /// let page = Origin::of_url("https://Graphs.example.org:443/web1?live#top")?;
    /// assert_eq!(page, "https://graphs.example.org".parse()?);
    /// assert_eq!(page.host(), "graphs.example.org");
    /// # Ok::<(), coco_core::origin::OriginError>(())
    /// ```
    pub fn of_url(url: &str) -> Result<Self, OriginError> {
        let (scheme, rest) = url.split_once("://").ok_or(OriginError::Scheme)?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        Self::new(scheme, &rest[..end])
    }

    /// The host in lower case; an IPv6 address in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    fn new(scheme: &str, authority: &str) -> Result<Self, OriginError> {
        let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        if !is_scheme {
            return Err(OriginError::Scheme);
        }
        let (scheme, (host, port)) = (scheme.to_ascii_lowercase(), split(authority)?);
        let usual = match &*scheme {
            "http" => Some(80),
            "https" => Some(443),
            _ => None,
        };
        Ok(Self { scheme, host: host.to_ascii_lowercase(), port: port.filter(|port| Some(*port) != usual) })
    }
}

/// The host of a `Host` field, in lower case, as [`Origin::host`] has it.
pub fn host_of(authority: &str) -> Option<String> {
    split(authority).ok().map(|(host, _)| host.to_ascii_lowercase())
}

fn split(authority: &str) -> Result<(&str, Option<u16>), OriginError> {
    let end = authority.find(']').map_or(0, |bracket| bracket + 1);
    let (host, port) = match authority[end..].find(':') {
        Some(colon) => (&authority[..end + colon], Some(&authority[end + colon + 1..])),
        None => (authority, None),
    };
    let is_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
        }
    };
    if !is_host {
        return Err(OriginError::Host);
    }
    let is_number = |port: &&str| port.bytes().all(|byte| byte.is_ascii_digit());
    let number = |port: &str| Some(port).filter(is_number)?.parse().ok().filter(|port| *port > 0);
    // A colon alone is the port of the scheme.
    let port = match port {
        None | Some("") => None,
        Some(port) => Some(number(port).ok_or(OriginError::Port)?),
    };
    Ok((host, port))
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        if text == "*" {
            return Err(OriginError::All);
        }
        let (scheme, authority) = text.split_once("://").ok_or(OriginError::Scheme)?;
        if authority.contains(['/', '?', '#']) {
            return Err(OriginError::Path);
        }
        Self::new(scheme, authority)
    }
}

impl fmt::Display for Origin {
    /// As browsers write it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_shown_as_browsers_write_it() {
        for (written, shown) in [
            ("https://graphs.example.org", "https://graphs.example.org"),
            ("HTTPS://Graphs.Example.org:443", "https://graphs.example.org"),
            ("http://10.1.1.5:80", "http://10.1.1.5"),
            ("http://10.1.1.5:443", "http://10.1.1.5:443"),
            ("http://[2001:DB8::1]:8080", "http://[2001:db8::1]:8080"),
            ("http://[::1]", "http://[::1]"),
            ("http://localhost:", "http://localhost"),
            ("moz-extension://0a1b", "moz-extension://0a1b"),
        ] {
            assert_eq!(written.parse::<Origin>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_origin_says_why() {
        for (written, error) in [
            ("*", OriginError::All),
            ("", OriginError::Scheme),
            ("null", OriginError::Scheme),
            ("graphs.example.org", OriginError::Scheme),
            ("://a", OriginError::Scheme),
            ("1http://a", OriginError::Scheme),
            ("http://", OriginError::Host),
            ("http://:80", OriginError::Host),
            ("http://me@a", OriginError::Host),
            ("http://\u{e9}.example.org", OriginError::Host),
            ("http://[::1", OriginError::Host),
            ("http://[a]", OriginError::Host),
            ("http://a:b", OriginError::Port),
            ("http://a:0", OriginError::Port),
            ("http://a:+1", OriginError::Port),
            ("http://a:65536", OriginError::Port),
            ("http://a/", OriginError::Path),
            ("http://a?b", OriginError::Path),
        ] {
            assert_eq!(written.parse::<Origin>(), Err(error), "{written}");
        }
    }

    #[test]
    fn hosts_are_compared_without_their_ports() {
        assert_eq!(host_of("Noodle.example.org:9080").as_deref(), Some("noodle.example.org"));
        assert_eq!(host_of("[::1]:9080").as_deref(), Some("[::1]"));
        assert_eq!(host_of("a b"), None);
        assert_eq!(host_of(""), None);
        assert_eq!(Origin::of_url("http://a:81").unwrap().host(), "a");
        assert_eq!(Origin::of_url("about:blank"), Err(OriginError::Scheme));
    }
}
