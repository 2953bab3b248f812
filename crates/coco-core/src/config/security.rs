//! Reading who may send, and as whom a tier is sent to.

use std::io;
use std::path::{Path, PathBuf};

use super::document::Section;
use super::keys::Kind;
use super::value::User;
use crate::network::Network;
use crate::tier::{Credentials, PasswordSource, Protection};
use crate::wire::SecurityLevel;

/// Whether a file can be read.
pub(super) type CanRead<'a> = &'a dyn Fn(&Path) -> io::Result<()>;

/// An array of networks; an empty one is a problem, as nobody could send.
pub(super) fn networks(section: &mut Section<'_, '_>, name: &str) -> Option<Vec<Network>> {
    if section.elements(name)?.is_empty() {
        section.report(
            name,
            &format!("expected {}, found none: leave the key out to let everyone send", Kind::Networks),
        );
    }
    section.array(name, r#"a network such as "10.1.0.0/16""#)
}

/// A listener that wants signatures has to know who signs.
pub(super) fn check_listener(section: &mut Section<'_, '_>, level: SecurityLevel) {
    if level != SecurityLevel::None && !section.has("auth_file") {
        let message = format!("missing, expected {}: nobody could be let in at level {level}", Kind::Path);
        section.report("auth_file", &message);
    }
}

/// As whom packets of a tier leave; `None` too when something about that had to be reported.
pub(super) fn credentials(section: &mut Section<'_, '_>, can_read: CanRead<'_>) -> Option<Credentials> {
    let level: Option<SecurityLevel> = section.optional("security_level");
    let username = section.optional("username").map(|User(name)| name);
    let files = ["password_file", "auth_file"].map(|name| (name, section.optional::<PathBuf>(name)));
    if !section.has("security_level") {
        for name in ["username", "password_file", "auth_file"] {
            if section.has(name) {
                section.report(name, "means nothing without `security_level`");
            }
        }
    }
    let protection = match level? {
        SecurityLevel::None => return None,
        SecurityLevel::Sign => Protection::Sign,
        SecurityLevel::Encrypt => Protection::Encrypt,
    };
    for (name, file) in &files {
        if let Some(file) = file
            && let Err(problem) = can_read(file)
        {
            section.report(name, &format!("cannot read {}: {problem}", file.display()));
        }
    }
    if !section.has("username") {
        section.report("username", &format!("missing, expected {}", Kind::User));
    }
    let password = match files.map(|(_, file)| file) {
        [Some(file), None] => PasswordSource::Password(file),
        [None, Some(file)] => PasswordSource::AuthFile(file),
        [Some(_), Some(_)] => {
            section.report("auth_file", "expected either this or `password_file`, found both");
            return None;
        }
        [None, None] => {
            if !section.has("password_file") && !section.has("auth_file") {
                section
                    .report("password_file", &format!("missing, expected {}, or an `auth_file`", Kind::Path));
            }
            return None;
        }
    };
    Some(Credentials { protection, username: username?, password })
}
