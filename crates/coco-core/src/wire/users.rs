//! Users and their passwords: the file that collectd calls `AuthFile`.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;

use super::crypto::Key;

/// Users and their keys: what collectd's `AuthFile` holds.
#[derive(Clone, Default)]
pub struct Users(HashMap<Box<[u8]>, Key>);

impl Users {
    /// Reads lines of `user: password`, as collectd does (`utils_fbhash.c`): white space before either is left out and
    /// behind either belongs to it; the first colon divides; `#` starts a comment line; of two lines for one user the
    /// first counts.
    ///
    /// Also returns the numbers, from 1, of the lines that say nothing: without colon, user or password. What stands
    /// there may be a secret.
    pub fn parse(text: &[u8]) -> (Self, Vec<usize>) {
        let mut users = Self::default();
        let mut ignored = Vec::new();
        for (number, line) in lines(text) {
            match user_and_password(line) {
                Some((user, password)) => users.add(user, password),
                None => ignored.push(number),
            }
        }
        (users, ignored)
    }

    /// The password of a user in such a text.
    pub fn password<'a>(text: &'a [u8], user: &[u8]) -> Option<&'a [u8]> {
        let mut known = lines(text).filter_map(|(_, line)| user_and_password(line));
        known.find_map(|(known, password)| (known == user).then_some(password))
    }

    /// Adds a user, unless it is known already.
    pub fn add(&mut self, user: &[u8], password: &[u8]) {
        if let Entry::Vacant(vacant) = self.0.entry(user.into()) {
            vacant.insert(Key::new(password));
        }
    }

    /// The key of a user. A name ends at its first NUL.
    pub fn key(&self, user: &[u8]) -> Option<&Key> {
        self.0.get(until_nul(user))
    }

    /// Their number.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} users", self.len())
    }
}

/// Lines that say something, with their numbers.
fn lines(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let numbered = (1..).zip(text.split(|&byte| byte == b'\n'));
    let trimmed = numbered.map(|(number, line)| {
        let line = until_nul(line);
        let end = line.iter().rposition(|&byte| byte != b'\r').map_or(0, |last| last + 1);
        (number, without_leading_space(&line[..end]))
    });
    trimmed.filter(|(_, line)| !line.is_empty() && !line.starts_with(b"#"))
}

fn user_and_password(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|&byte| byte == b':')?;
    let (user, password) = (&line[..colon], without_leading_space(&line[colon + 1..]));
    (!user.is_empty() && !password.is_empty()).then_some((user, password))
}

/// C's `isspace`, which knows the vertical tab too.
fn without_leading_space(bytes: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0x0b;
    &bytes[bytes.iter().take_while(|byte| is_space(byte)).count()..]
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(one: &Users, user: &[u8], password: &[u8]) -> bool {
        let signed = one.key(user).map(|key| key.sign(b"u", b"parts"));
        signed == Some(Key::new(password).sign(b"u", b"parts"))
    }

    // Each tried with collectd 5.12.
    #[test]
    fn lines_are_read_as_collectd_reads_them() {
        let text = b"# comment\n\t # another\n\nalice: s3cret\r\nbob:a:b # c\n  carol \t: \x0bp \n\
            alice: second\n\"dave\":\"quoted\"\nno colon\nempty:   \n:nobody\nerin:\xff\xfe\nfrank:p\0q\nlast:line";
        let (users, ignored) = Users::parse(text);
        let passwords: [(&[u8], &[u8]); 7] = [
            (b"alice", b"s3cret"),
            (b"bob", b"a:b # c"),
            (b"carol \t", b"p "),
            (b"\"dave\"", b"\"quoted\""),
            (b"erin", b"\xff\xfe"),
            (b"frank", b"p"),
            (b"last", b"line"),
        ];
        for (user, password) in passwords {
            assert!(same(&users, user, password), "{}", user.escape_ascii());
            assert_eq!(Users::password(text, user), Some(password));
        }
        assert_eq!(users.len(), passwords.len());
        assert_eq!(ignored, [9, 10, 11]);
        assert_eq!(Users::password(text, b"empty"), None);
    }

    #[test]
    fn a_name_ends_at_its_first_nul() {
        let (users, _) = Users::parse(b"alice: s3cret");
        assert!(users.key(b"alice\0zz").is_some());
        assert!(users.key(b"alicezz").is_none() && users.key(b"").is_none());
    }

    #[test]
    fn secrets_are_not_shown() {
        let (users, _) = Users::parse(b"alice: s3cret\nbob: hunter2");
        assert_eq!(format!("{users:?}"), "2 users");
        assert_eq!(format!("{:?}", users.key(b"alice")), "Some(Key)");
    }
}
