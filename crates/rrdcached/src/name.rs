//! Names of files and directories, as they stand in a command.

use thiserror::Error;

/// The longest name that is sent, in bytes.
///
/// rrdcached 1.7.2 answers a longer name, in its complaint about it, with memory of its own: it sends as many bytes as
/// the complaint would have had, from a buffer of 4,096 (`send_response` of rrd_daemon.c).
pub const LONGEST: usize = 1024;

/// Why a name can't be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NameError {
    /// An empty field shifts all that follow it.
    #[error("the name is empty")]
    Empty,
    /// A line ends at a line feed, whatever stands before it; nothing can hide one.
    #[error("the name has a control character")]
    Control,
    /// Longer than [`LONGEST`].
    #[error("the name has {0} bytes, more than {LONGEST}")]
    TooLong(usize),
    /// LIST takes any two dots for the way out of the base directory.
    #[error("the name has two dots in a row, which rrdcached does not list")]
    Dots,
}

/// Appends a name as a field: blanks and backslashes escaped, all other bytes as they are.
///
/// # Errors
/// When no command can hold the name. Then nothing is appended.
pub fn write(name: &[u8], line: &mut Vec<u8>) -> Result<(), NameError> {
    check(name)?;
    for &byte in name {
        if matches!(byte, b' ' | b'\\') {
            line.push(b'\\');
        }
        line.push(byte);
    }
    Ok(())
}

fn check(name: &[u8]) -> Result<(), NameError> {
    if name.is_empty() {
        Err(NameError::Empty)
    } else if name.len() > LONGEST {
        Err(NameError::TooLong(name.len()))
    } else if name.iter().any(u8::is_ascii_control) {
        Err(NameError::Control)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_would_be_another_command_is_refused() {
        let mut line = Vec::new();
        for (name, error) in [
            (b"a\nFLUSHALL".as_slice(), NameError::Control),
            (b"a\r", NameError::Control),
            (b"a\0b", NameError::Control),
            (b"", NameError::Empty),
            (&[b'a'; LONGEST + 1], NameError::TooLong(LONGEST + 1)),
        ] {
            assert_eq!(write(name, &mut line), Err(error));
        }
        assert!(line.is_empty());
        assert_eq!(write(&[b'a'; LONGEST], &mut line), Ok(()));
    }

    /// Fields as buffer_get_field of rrd_daemon.c reads them.
    fn fields(line: &[u8]) -> Vec<Vec<u8>> {
        let mut fields = vec![Vec::new()];
        let mut bytes = line.iter();
        while let Some(&byte) = bytes.next() {
            let field = fields.last_mut().expect("there is one");
            match byte {
                b' ' => fields.push(Vec::new()),
                b'\\' => field.extend(bytes.next()),
                byte => field.push(byte),
            }
        }
        fields
    }

    proptest! {
        #[test]
        fn a_name_is_one_field_and_reads_back(name in proptest::collection::vec(any::<u8>(), 0..40)) {
            let mut line = b"INFO ".to_vec();
            if write(&name, &mut line).is_ok() {
                prop_assert!(!line.contains(&b'\n'));
                prop_assert_eq!(fields(&line), vec![b"INFO".to_vec(), name]);
            } else {
                prop_assert_eq!(line, b"INFO ".to_vec());
            }
        }
    }
}
