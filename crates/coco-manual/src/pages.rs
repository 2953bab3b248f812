//! The man pages of the programs, and of the subcommands of those that have some.

use clap::Command;
use clap_mangen::Man;
use roff::{Roff, bold, roman};

use crate::programs::{Manual, programs};
use crate::{Document, chapters, markdown};

/// All of them.
pub fn documents() -> Vec<Document> {
    programs().into_iter().flat_map(of_program).collect()
}

fn of_program(manual: Manual) -> Vec<Document> {
    let Manual { command, section, chapters, see_also } = manual;
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let name = command.get_name().to_owned();
    let subcommands: Vec<_> =
        command.get_subcommands().filter(|command| !command.is_hide_set()).cloned().collect();
    let mut pages: Vec<_> = subcommands
        .into_iter()
        .map(|subcommand| {
            let name = format!("{name}-{}", subcommand.get_name());
            let parent = format!("{}({section})", command.get_name());
            page(&name, section, &subcommand, &[], &[&[parent.as_str()], see_also].concat())
        })
        .collect();
    pages.push(page(&name, section, &command, chapters, see_also));
    pages
}

fn page(
    name: &str,
    section: char,
    command: &Command,
    chapters: &[(&str, &str)],
    see_also: &[&str],
) -> Document {
    let mut roff = Roff::new();
    let text = arguments(name, section, command);
    for (heading, chapter) in chapters {
        roff.control("SH", [*heading]);
        markdown::append(&mut roff, chapters::chapter(chapter));
    }
    append_see_also(&mut roff, see_also);
    let mut document = crate::page(name, section, &roff);
    document.text.insert_str(0, &text);
    document
}

/// What clap knows of a program.
fn arguments(name: &str, section: char, command: &Command) -> String {
    let man = Man::new(command.clone())
        .title(name.to_uppercase())
        .section(section)
        .date(chapters::release_date())
        .source(concat!("Coco ", env!("CARGO_PKG_VERSION")))
        .manual("Coco and Noodle");
    let mut text = Vec::new();
    man.render(&mut text).expect("a vector takes all");
    String::from_utf8(text).expect("clap has text only")
}

/// Appends references to other pages.
pub(crate) fn append_see_also(roff: &mut Roff, pages: &[&str]) {
    roff.control("SH", ["SEE ALSO"]);
    let mut line = Vec::new();
    for page in pages {
        let (name, section) = page.split_once('(').unwrap_or((page, ""));
        let separator = if line.is_empty() { "" } else { ", " };
        line.extend([roman(separator), bold(name), roman(format!("({section}"))]);
    }
    roff.text(line);
}
