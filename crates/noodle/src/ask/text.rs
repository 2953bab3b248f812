//! A JSON answer of a target.

use super::Content;
use super::lists;
use crate::budget::Held;
use crate::failure::Failure;
use crate::json::object::Object;

/// U+FEFF, which some servers put in front of a text.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// An answer that has something in it.
#[derive(Debug)]
pub struct Text {
    /// Its text.
    pub body: Held,
    /// Where what stands in it.
    pub object: Object,
    /// The list in it; none where series were asked for.
    pub names: Vec<String>,
}

impl Text {
    /// Finds what stands in an answer; it is paid for like the answer itself. Where a host was asked for by name, an
    /// answer that has something, and nothing of that host, is none.
    pub fn read(content: Content, name: Option<&[u8]>, body: Held) -> Result<Self, Failure> {
        let Held { mut bytes, mut reservation } = body;
        if bytes.starts_with(BYTE_ORDER_MARK) {
            bytes.drain(..BYTE_ORDER_MARK.len());
        }
        let mut lend = |more| Ok::<_, Failure>(reservation.grow(more)?);
        let object = Object::parse_within(&bytes, &mut lend)?;
        if name
            .is_some_and(|name| !object.is_empty() && object.member(&String::from_utf8_lossy(name)).is_none())
        {
            return Err(Failure::OtherHost);
        }
        let names = match content {
            Content::Series => Vec::new(),
            list => lists::read(list, &object, &bytes, lend)?,
        };
        Ok(Self { body: Held { bytes, reservation }, object, names })
    }
}
