//! A datagram with other times or another host, all else as it was.

use super::part::{HEADER, NUMBER, PartType};
use super::reader::Reader;

/// A reason why a datagram can't be rewritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unwritable {
    /// Something is signed or encrypted, and would not be so any more.
    Secured,
    /// The new name of a host is empty, too long or has a NUL.
    Name,
}

/// Appends the datagram to `out` with every time moved by so many units of 2^-30 s, and each host under the name that
/// `rename` gives it, if it gives one. Names are of up to `name_max` bytes with the final NUL. What is behind an error
/// stays as it is.
///
/// # Errors
///
/// `out` is then of no use.
pub fn rewrite(
    datagram: &[u8],
    shift: i64,
    name_max: usize,
    mut rename: impl FnMut(&[u8]) -> Option<Vec<u8>>,
    out: &mut Vec<u8>,
) -> Result<(), Unwritable> {
    let mut reader = Reader::behind(datagram, 0);
    let mut end = 0;
    while let Ok(Some(part)) = reader.part() {
        end = part.span().end();
        let as_it_is = part.span().of(datagram);
        match (part.kind, part.number(), part.string(name_max)) {
            (PartType::SIGN_SHA256 | PartType::ENCR_AES256, ..) => return Err(Unwritable::Secured),
            (PartType::TIME, Ok(seconds), _) => {
                number(part.kind, seconds.saturating_add_signed(shift >> 30), out);
            }
            (PartType::TIME_HR, Ok(units), _) => {
                number(part.kind, units.saturating_add_signed(shift), out);
            }
            (PartType::HOST, _, Ok(span)) => match rename(span.of(datagram)) {
                None => out.extend_from_slice(as_it_is),
                Some(name) if name.is_empty() || name.len() >= name_max || name.contains(&0) => {
                    return Err(Unwritable::Name);
                }
                Some(name) => {
                    header(part.kind, HEADER + name.len() + 1, out);
                    out.extend_from_slice(&name);
                    out.push(0);
                }
            },
            _ => out.extend_from_slice(as_it_is),
        }
    }
    out.extend_from_slice(datagram.get(end..).unwrap_or_default());
    Ok(())
}

fn number(kind: PartType, number: u64, out: &mut Vec<u8>) {
    header(kind, NUMBER, out);
    out.extend_from_slice(&number.to_be_bytes());
}

fn header(kind: PartType, length: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&kind.0.to_be_bytes());
    out.extend_from_slice(&(length as u16).to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value_list::{Identifier, Interval, Time, Value, ValueList};
    use crate::wire::part::NAME_MAX;
    use crate::wire::{Decoder, Event, PacketBuilder};

    fn packed(host: &str, time: Time) -> Vec<u8> {
        let identifier = Identifier {
            host: host.into(),
            plugin: b"p".to_vec(),
            type_name: b"t".to_vec(),
            ..Identifier::default()
        };
        let list = ValueList::new(identifier, time, Interval::Seconds(10), &[Value::Derive(-1)]);
        let mut builder = PacketBuilder::new(1452);
        builder.push(&list.as_ref());
        builder.close();
        builder.packets().next().unwrap().1.to_vec()
    }

    #[test]
    fn times_move_and_hosts_change_and_all_else_stays() {
        let rename = |name: &[u8]| (name == b"web1").then(|| b"replay-web1".to_vec());
        for (given, expected) in [
            (packed("web1", Time::Seconds(100)), packed("replay-web1", Time::Seconds(97))),
            (packed("db", Time::HighResolution(100 << 30)), packed("db", Time::HighResolution(97 << 30))),
        ] {
            let mut out = Vec::new();
            assert_eq!(rewrite(&given, -(3 << 30), NAME_MAX, rename, &mut out), Ok(()));
            assert_eq!(out, expected);
            // An error and what is behind it.
            let broken = [&given[..], b"\0\x01\0\x05x\0\0"].concat();
            out.clear();
            assert_eq!(rewrite(&broken, 0, NAME_MAX, |_| None, &mut out), Ok(()));
            assert_eq!(out, broken);
        }
    }

    #[test]
    fn hosts_of_long_names_get_others() {
        let (long, longer) = ("l".repeat(300), "m".repeat(400));
        let given = packed(&long, Time::Seconds(100));
        let rename = |name: &[u8]| (name == long.as_bytes()).then(|| longer.clone().into_bytes());
        let mut out = Vec::new();
        assert_eq!(rewrite(&given, 0, 401, rename, &mut out), Ok(()));
        assert_eq!(out, packed(&longer, Time::Seconds(100)));
        assert_eq!(rewrite(&given, 0, 400, rename, &mut Vec::new()), Err(Unwritable::Name));
    }

    #[test]
    fn what_cannot_be_is_said() {
        let secured = [&b"\x02\0\0\x25"[..], &[7; 33]].concat();
        assert_eq!(rewrite(&secured, 0, NAME_MAX, |_| None, &mut Vec::new()), Err(Unwritable::Secured));
        for name in [Vec::new(), vec![b'x'; 128], b"a\0b".to_vec()] {
            let given = packed("web1", Time::Seconds(100));
            assert_eq!(
                rewrite(&given, 0, NAME_MAX, |_| Some(name.clone()), &mut Vec::new()),
                Err(Unwritable::Name)
            );
        }
        let mut out = Vec::new();
        rewrite(&packed("h", Time::Seconds(5)), i64::MIN, NAME_MAX, |_| None, &mut out).unwrap();
        let Some(Ok(Event::RefusedValueList(..))) = Decoder::new(&out).next() else {
            panic!("a time below 0 is none")
        };
    }
}
