//! Names as Graphite's clients see them: those under which collectd's write_graphite stores hosts and metrics.
//!
//! `HOST.PLUGIN-INSTANCE.TYPE-INSTANCE`, and the data source behind it where there are several. Dots, white space, control
//! characters and some signs become the escape character, so that two hosts may come to one name: there is no way back
//! but by a map of those that there are.

use coco_core::config::{ESCAPED, Graphite};

/// How names are made (collectd's `format_graphite`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Naming {
    prefix: String,
    postfix: String,
    escape_character: u8,
    separator: u8,
    always_append_ds: bool,
    keeps_dots: bool,
    keeps_dots_of_hosts: bool,
}

impl Naming {
    /// As configured.
    pub fn new(config: &Graphite) -> Self {
        let escape = &char::from(config.escape_character).to_string();
        Self {
            prefix: config.prefix.replace(ESCAPED, escape),
            postfix: config.postfix.replace(ESCAPED, escape),
            escape_character: config.escape_character,
            separator: if config.separate_instances { b'.' } else { b'-' },
            always_append_ds: config.always_append_ds,
            keeps_dots: config.preserve_separator,
            keeps_dots_of_hosts: config.host_in_dots,
        }
    }

    /// The nodes of a host, joined by dots. What is not UTF-8 is U+FFFD, so that a client can ask for what it was shown.
    pub fn host(&self, host: &[u8]) -> String {
        let mut name = self.prefix.clone().into_bytes();
        self.escape(host, self.keeps_dots_of_hosts, &mut name);
        name.extend_from_slice(self.postfix.as_bytes());
        text(name)
    }

    /// The nodes of a file of a host, joined by dots: of its directory, plugin and instance, and of its own name, type and
    /// instance.
    pub fn file(&self, plugin: &[u8], file: &[u8]) -> String {
        let mut name = Vec::with_capacity(plugin.len() + 1 + file.len());
        self.instance(plugin, &mut name);
        name.push(b'.');
        self.instance(file, &mut name);
        text(name)
    }

    /// The node of a data source of a file that has so many of them; none where there is none for it.
    pub fn source(&self, source: &[u8], of: usize) -> Option<String> {
        (of > 1 || self.always_append_ds).then(|| {
            let mut name = Vec::with_capacity(source.len());
            self.escape(source, self.keeps_dots, &mut name);
            text(name)
        })
    }

    /// A name of plugins or types has no dash of its own.
    fn instance(&self, text: &[u8], name: &mut Vec<u8>) {
        match text.iter().position(|byte| *byte == b'-') {
            Some(dash) => {
                self.escape(&text[..dash], self.keeps_dots, name);
                name.push(self.separator);
                self.escape(&text[dash + 1..], self.keeps_dots, name);
            }
            None => self.escape(text, self.keeps_dots, name),
        }
    }

    fn escape(&self, text: &[u8], keeps_dots: bool, name: &mut Vec<u8>) {
        name.extend(text.iter().map(|byte| match byte {
            b'.' if !keeps_dots => self.escape_character,
            b' ' | 0..=0x1f | 0x7f => self.escape_character,
            byte if ESCAPED.contains(&char::from(*byte)) => self.escape_character,
            byte => *byte,
        }));
    }
}

fn text(name: Vec<u8>) -> String {
    String::from_utf8(name).unwrap_or_else(|name| String::from_utf8_lossy(name.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use coco_core::config::NoodleConfig;

    use super::*;

    fn naming(lines: &str) -> Naming {
        let text = format!("[tiers.a]\ntargets = [\"a:1\"]\n[fetch]\nbind = \":0\"\n[graphite]\n{lines}\n");
        Naming::new(&NoodleConfig::parse(&text).unwrap().graphite)
    }

    /// Of a host, a plugin with its instance, a type with its instance, and a data source of two.
    fn names(lines: &str) -> [String; 3] {
        let naming = naming(lines);
        [
            naming.host(b"web 1.example.org"),
            naming.file(b"df-mnt.a b", b"df_complex-free-x"),
            naming.source(b"r.x", 2).unwrap(),
        ]
    }

    /// What collectd 5.12's `format_graphite` makes of them.
    #[test]
    fn names_are_those_of_write_graphite() {
        for (lines, expected) in [
            ("", ["web_1_example_org", "df-mnt_a_b.df_complex-free-x", "r_x"]),
            (
                "prefix = 'collectd.'\npostfix = '.x'",
                ["collectd.web_1_example_org.x", "df-mnt_a_b.df_complex-free-x", "r_x"],
            ),
            ("escape_character = '-'", ["web-1-example-org", "df-mnt-a-b.df_complex-free-x", "r-x"]),
            ("escape_character = '.'", ["web.1.example.org", "df-mnt.a.b.df_complex-free-x", "r.x"]),
            ("separate_instances = true", ["web_1_example_org", "df.mnt_a_b.df_complex.free-x", "r_x"]),
            ("preserve_separator = true", ["web_1.example.org", "df-mnt.a_b.df_complex-free-x", "r.x"]),
            ("host_in_dots = true", ["web_1.example.org", "df-mnt_a_b.df_complex-free-x", "r_x"]),
        ] {
            assert_eq!(names(lines), expected, "{lines}");
        }
    }

    /// `GRAPHITE_FORBIDDEN` of collectd's `format_graphite.c` (5.12), in whatever part of a name.
    #[test]
    fn signs_that_write_graphite_replaces_are_replaced() {
        let naming = naming("prefix = 'a:b!.'\npostfix = '/c'");
        assert_eq!(naming.host(b"web,1 (old)"), "a_b_.web_1__old__c");
        assert_eq!(naming.file(b"ping-fe80::1", b"if_octets-x!y"), "ping-fe80__1.if_octets-x_y");
        assert_eq!(naming.file(b"df-\\C:", b"df_complex-\"a/b\"\t\r\n"), "df-_C_.df_complex-_a_b____");
        assert_eq!(naming.source(b"r,x", 2).as_deref(), Some("r_x"));
        let graphite = |character: &str| {
            let text = format!(
                "[tiers.a]\ntargets = [\"a:1\"]\n[fetch]\nbind = \":0\"\n[graphite]\nescape_character = {character:?}\n"
            );
            NoodleConfig::parse(&text)
        };
        for refused in [" ", "\t", "\"", "\\", ":", "!", ",", "/", "(", ")", "\n", "\r"] {
            assert!(graphite(refused).is_err(), "{refused:?} would be replaced itself");
        }
        assert!(graphite("+").is_ok());
    }

    #[test]
    fn the_only_data_source_has_no_node_unless_it_is_to_have_one() {
        assert_eq!(naming("").source(b"value", 1), None);
        assert_eq!(naming("").source(b"rx", 2).as_deref(), Some("rx"));
        assert_eq!(naming("always_append_ds = true").source(b"value", 1).as_deref(), Some("value"));
    }

    #[test]
    fn names_are_text_whatever_hosts_are_called() {
        assert_eq!(naming("").host(b"latin1-\xfc\xe9\t\x7f"), "latin1-\u{fffd}\u{fffd}__");
        assert_eq!(naming("").host("w\u{e4}rme".as_bytes()), "w\u{e4}rme");
    }
}
