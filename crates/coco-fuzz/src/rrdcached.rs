//! What a storage node's rrdcached answers Noodle, or whatever else listens there.

use rrdcached::archive;
use rrdcached::command::Window;
use rrdcached::cursor::Cursor;
use rrdcached::error::Error;
use rrdcached::fetch::{Form, Reading};
use rrdcached::info::Info;
use rrdcached::list::Listing;

/// What came of reading all of an answer, as far as it could be read.
#[derive(Debug, PartialEq)]
struct Read {
    text: String,
    position: usize,
}

/// An answer is read alike in one piece and in pieces of seven bytes; nothing is made of an announcement alone; and whatever a file
/// claims to be made of, rows can be counted.
pub fn holds(answer: &[u8]) {
    for read in [rows_in_binary, rows_in_text, names, file] {
        let whole = read(&[answer]);
        let pieces: Vec<&[u8]> =
            (0..answer.len()).step_by(7).map(|end| &answer[..end]).chain([answer]).collect();
        assert_eq!(whole, read(&pieces));
        assert!(whole.position <= answer.len());
    }
}

fn rows_in_binary(arrivals: &[&[u8]]) -> Read {
    rows(Form::Binary, arrivals)
}

fn rows_in_text(arrivals: &[&[u8]]) -> Read {
    rows(Form::Text, arrivals)
}

fn rows(form: Form, arrivals: &[&[u8]]) -> Read {
    let mut reading = None;
    let mut position = 0;
    for arrived in arrivals {
        let mut cursor = Cursor::new(&arrived[position..]);
        if reading.is_none() {
            match Reading::begin(form, &mut cursor) {
                Ok(begun) => reading = begun,
                Err(error) => return Read { text: error.to_string(), position },
            }
        }
        let read = reading.as_mut().map_or(Ok(false), |reading| reading.read(&mut cursor));
        position += cursor.position();
        match read {
            Ok(false) => {}
            Ok(true) => {
                let reading = reading.expect("something read it");
                assert!(reading.head().values() <= position as u64, "a value takes a byte at least");
                // NaN is not equal to itself, but is written alike.
                return Read { text: format!("{:?}", reading.finish()), position };
            }
            // How far it was read by then depends on how it arrived.
            Err(error) => return Read { text: error.to_string(), position: 0 },
        }
    }
    Read { text: "unfinished".to_owned(), position: 0 }
}

fn names(arrivals: &[&[u8]]) -> Read {
    let mut listing = None;
    let mut names = Vec::new();
    let mut position = 0;
    for arrived in arrivals {
        let mut cursor = Cursor::new(&arrived[position..]);
        let read = next_names(&mut listing, &mut cursor, &mut names);
        position += cursor.position();
        if let Err(error) = read {
            return Read { text: error.to_string(), position: 0 };
        }
    }
    Read { text: format!("{names:?} {listing:?}"), position }
}

fn next_names(
    listing: &mut Option<Listing>,
    cursor: &mut Cursor<'_>,
    names: &mut Vec<Vec<u8>>,
) -> Result<(), Error> {
    if listing.is_none() {
        *listing = Listing::begin(cursor)?;
    }
    if let Some(listing) = listing {
        while let Some(name) = listing.next_name(cursor)? {
            names.push(name.to_vec());
        }
    }
    Ok(())
}

fn file(arrivals: &[&[u8]]) -> Read {
    let window = Window::new(1_795_190_000, 1_795_200_000).expect("a window");
    for arrived in arrivals {
        let mut cursor = Cursor::new(arrived);
        match Info::read(&mut cursor) {
            Ok(None) => {}
            Ok(Some(info)) => {
                let step = archive::step(&info, "AVERAGE", window);
                if let Some(step) = step {
                    assert!(step > 0 && archive::oldest(&info, "AVERAGE").is_some());
                }
                return Read { text: format!("{info:?} {step:?}"), position: cursor.position() };
            }
            Err(error) => return Read { text: error.to_string(), position: 0 },
        }
    }
    Read { text: "unfinished".to_owned(), position: 0 }
}
