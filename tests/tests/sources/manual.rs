//! The man pages and the completions for shells: nothing is missing, groff and bash have nothing to say against them.

use std::process::Command;

use coco_core::config::KEYS;
use coco_harness::directory::Directory;
use coco_manual::programs::programs;
use coco_manual::{Document, documents};

/// The file that belongs there below `/usr/share`.
fn find(path: &str) -> String {
    let found = documents().into_iter().find(|document| document.path.to_str() == Some(path));
    found.unwrap_or_else(|| panic!("there is no {path}")).text
}

/// Files of a directory below `/usr/share`, by their names.
fn below(directory: &str) -> Vec<(String, Document)> {
    let documents = documents().into_iter().filter(|document| document.path.starts_with(directory));
    let named = documents.map(|document| {
        let name = document.path.file_name().expect("it has a name").to_str().expect("UTF-8");
        (name.to_owned(), document)
    });
    named.collect()
}

/// A page as it is read, less the hyphens that roff needs to be told from minus.
fn plain(page: &str) -> String {
    page.replace("\\-", "-")
}

/// The options that have a long name.
fn flags(command: &clap::Command) -> Vec<String> {
    command.get_arguments().filter_map(|argument| Some(format!("--{}", argument.get_long()?))).collect()
}

#[test]
fn groff_has_nothing_to_say_against_any_page() {
    let directory = Directory::new("man");
    let pages = below("man");
    assert!(pages.len() >= 6, "{pages:?}");
    for (name, page) in pages {
        let file = directory.write(&name, &page.text);
        let output = Command::new("groff")
            .args(["-man", "-ww", "-z", "-K", "utf8", "-T", "utf8"])
            .arg(file)
            .output()
            .expect("groff is installed");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{name}");
        assert!(output.status.success(), "{name}");
    }
}

#[test]
fn every_program_has_a_page_with_all_its_flags() {
    for mut manual in programs() {
        let section = manual.section;
        manual.command.build();
        let name = manual.command.get_name();
        let page = |name: &str| plain(&find(&format!("man/man{section}/{name}.{section}")));
        let own = page(name);
        assert!(own.contains(&format!(".TH {} {section} ", name.to_uppercase())), "{own}");
        for flag in flags(&manual.command) {
            assert!(own.contains(&format!("\\fB{flag}\\fR")), "{name}: {flag}");
        }
        for subcommand in manual.command.get_subcommands().filter(|command| command.get_name() != "help") {
            let name = format!("{name}-{}", subcommand.get_name());
            assert!(own.contains(&name), "{own}");
            let page = page(&name);
            for flag in flags(subcommand) {
                assert!(page.contains(&format!("\\fB{flag}\\fR")), "{name}: {flag}");
            }
        }
    }
}

#[test]
fn every_key_is_in_the_page_of_the_file() {
    let page = plain(&find("man/man5/coco.conf.5"));
    let mut section = "";
    let mut rest = page.split_once("\n.SH KEYS\n").expect("a section of keys").1;
    for key in KEYS {
        if key.section != section {
            section = key.section;
            let heading = format!(".SS [{section}]\n");
            rest = rest.split_once(&heading).unwrap_or_else(|| panic!("no {heading} in {rest}")).1;
        }
        let term = format!(".TP\n\\fB{}\\fR\n", key.name);
        rest = rest.split_once(&term).unwrap_or_else(|| panic!("no {term} in {rest}")).1;
    }
}

#[test]
fn pages_refer_to_pages_that_are_there() {
    let pages: Vec<_> = below("man").into_iter().map(|(name, _)| name).collect();
    for manual in programs() {
        for page in manual.see_also {
            let file = page.replace('(', ".").replace(')', "");
            assert!(page.starts_with("collectd") || pages.contains(&file), "{page}");
        }
    }
}

#[test]
fn every_shell_completes_every_flag() {
    for mut manual in programs() {
        manual.command.build();
        let name = manual.command.get_name();
        for file in [
            format!("bash-completion/completions/{name}"),
            format!("zsh/vendor-completions/_{name}"),
            format!("fish/vendor_completions.d/{name}.fish"),
        ] {
            let text = find(&file);
            let commands = std::iter::once(&manual.command).chain(manual.command.get_subcommands());
            for flag in commands.flat_map(flags) {
                // fish has them without the dashes.
                let name = flag.trim_start_matches('-');
                assert!(text.contains(&flag) || text.contains(&format!("-l {name}")), "{file}: {flag}");
            }
        }
    }
}

#[test]
fn bash_completes_what_is_typed() {
    let directory = Directory::new("completions");
    for (words, expected) in [
        (&["coco", "--ch"][..], "--check"),
        (&["noodle", "--v"], "--version"),
        (&["cococtl", "look"], "lookup"),
        (&["anomalous_coco_send", "--maximum"], "--maximum-deviation"),
        (&["anomalous_coco_errors", "--err"], "--error"),
    ] {
        let [program, word] = words else { panic!("{words:?}") };
        let file = directory.write(program, &find(&format!("bash-completion/completions/{program}")));
        let script = format!(
            "source '{}'; COMP_WORDS=({program} {word}); COMP_CWORD=1; \
             $(complete -p {program} | sed 's/.*-F \\([^ ]*\\) .*/\\1/') {program} {word} {program}; \
             printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            file.display()
        );
        let output = Command::new("bash").args(["--norc", "-c", &script]).output().expect("bash is there");
        let replies = String::from_utf8_lossy(&output.stdout);
        assert!(replies.lines().any(|reply| reply == expected), "{words:?}: {output:?}");
    }
}
