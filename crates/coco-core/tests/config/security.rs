use std::io;
use std::path::Path;

use coco_core::config::{Config, Program};
use coco_core::tier::{PasswordSource, Protection};
use coco_core::wire::SecurityLevel;

use super::{TIER, coco, problems};

#[test]
fn levels_are_read_in_any_case() {
    for (written, level) in
        [("none", SecurityLevel::None), ("SIGN", SecurityLevel::Sign), ("eNcrypt", SecurityLevel::Encrypt)]
    {
        let config = coco(&format!("[listen]\nsecurity_level = '{written}'\nauth_file = '/a'\n{TIER}"));
        assert_eq!(config.listen.security.level(), level);
    }
    let told = problems(&format!("[listen]\nsecurity_level = 'secure'\n{TIER}"), Program::Coco);
    assert_eq!(
        told,
        r#"line 2: listen.security_level: expected "None", "Sign" or "Encrypt", found "secure""#
    );
}

#[test]
fn a_listener_of_a_level_needs_users() {
    for level in ["Sign", "Encrypt"] {
        let told = problems(&format!("[listen]\nsecurity_level = '{level}'\n{TIER}"), Program::Coco);
        let expected = format!(
            "line 1: listen.auth_file: missing, expected the path of a file: nobody could be let in at level {level}"
        );
        assert_eq!(told, expected);
    }
}

#[test]
fn networks_are_told_apart_from_what_is_none() {
    let allow = |networks: &str| problems(&format!("listen.allow = {networks}\n{TIER}"), Program::Coco);
    let network = r#"a network such as "10.1.0.0/16""#;
    let networks = r#"an array of networks such as "10.1.0.0/16" or "2001:db8::1""#;
    assert_eq!(
        allow("['10.0.0.0/8', 'storage1', 7]"),
        format!(
            "line 1: listen.allow[1]: expected {network}, found \"storage1\" (\"storage1\" is no IP address)\n\
             line 1: listen.allow[2]: expected {network}, found the integer 7"
        )
    );
    assert_eq!(
        allow("['10.1.2.3/8']"),
        format!(
            "line 1: listen.allow[0]: expected {network}, found \"10.1.2.3/8\" (10.1.2.3 has bits behind its first 8: \
             did you mean 10.0.0.0/8 or 10.1.2.3?)"
        )
    );
    assert_eq!(
        allow("[]"),
        format!(
            "line 1: listen.allow: expected {networks}, found none: leave the key out to let everyone send"
        )
    );
    assert_eq!(
        allow("'10.0.0.0/8'"),
        format!("line 1: listen.allow: expected {networks}, found the string \"10.0.0.0/8\"")
    );
}

/// What is said about the keys of a tier, less its place.
fn about(keys: &str) -> Vec<String> {
    let told = problems(&format!("{TIER}{keys}"), Program::Coco);
    told.lines().map(|line| line.split_once(": tiers.a.").expect("a key of the tier").1.to_owned()).collect()
}

#[test]
fn a_tier_of_a_level_needs_a_user_and_one_password() {
    assert_eq!(
        about("security_level = 'Sign'"),
        [
            "username: missing, expected a name of 1 to 64 bytes without a colon",
            "password_file: missing, expected the path of a file, or an `auth_file`"
        ]
    );
    assert_eq!(
        about("security_level = 'Sign'\nusername = 'coco'\npassword_file = '/a'\nauth_file = '/b'"),
        ["auth_file: expected either this or `password_file`, found both"]
    );
    assert_eq!(
        about("username = 'coco'\npassword_file = '/a'"),
        [
            "username: means nothing without `security_level`",
            "password_file: means nothing without `security_level`"
        ]
    );
    for name in ["", "a:b", " a", "#a", "a\\nb", &"x".repeat(65)] {
        let told = about(&format!("security_level = 'Sign'\nusername = \"{name}\"\nauth_file = '/b'"));
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(
            told[0].starts_with("username: expected a name of 1 to 64 bytes without a colon, found "),
            "{told:?}"
        );
    }
}

#[test]
fn a_tier_may_keep_its_user_while_it_is_not_secured() {
    let config = coco(&format!(
        "{TIER}security_level = 'None'\nusername = 'coco'\npassword_file = '/a'\n\
         [tiers.b]\ntargets = ['b:1']\nsecurity_level = 'sign'\nusername = 'ü'\nauth_file = '/b'"
    ));
    let credentials: Vec<_> = config.tiers.iter().map(|tier| tier.credentials()).collect();
    assert_eq!(credentials[0], None);
    let signed = credentials[1].unwrap();
    assert_eq!((signed.protection, signed.username.as_str()), (Protection::Sign, "ü"));
    assert_eq!(signed.password, PasswordSource::AuthFile("/b".into()));
}

#[test]
fn files_that_cannot_be_read_are_among_the_problems_of_coco() {
    let text = format!(
        "[listen]\nauth_file = '/users'\n{TIER}security_level = 'Sign'\nusername = 'coco'\npassword_file = '/password'\n\
         [fetch]\nbind = ':1'"
    );
    let denied = |_: &Path| Err(io::Error::from(io::ErrorKind::PermissionDenied));
    let told = Config::parse_with_files(&text, Program::Coco, denied).unwrap_err().to_string();
    assert_eq!(
        told,
        "line 2: listen.auth_file: cannot read /users: permission denied\n\
         line 7: tiers.a.password_file: cannot read /password: permission denied"
    );
    assert!(Config::parse_with_files(&text, Program::Noodle, denied).is_ok(), "Noodle reads neither");
}

#[test]
fn what_is_not_told_otherwise_listens_to_this_machine_alone() {
    assert!(coco(TIER).api.bind.ip().unwrap().is_loopback());
    // Noodle does not start without an address.
    assert!(Config::parse(TIER, Program::Noodle).is_err());
}
