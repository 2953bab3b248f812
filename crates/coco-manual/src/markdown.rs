//! Markdown as `docs/` has it, turned into roff: headings, paragraphs, lists, code, tables.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use roff::{Inline, Roff, bold, italic, roman};

/// Appends a text to a page, behind a heading or the term of a list.
pub fn append(roff: &mut Roff, markdown: &str) {
    let mut writer = Writer {
        roff,
        line: Vec::new(),
        fonts: Vec::new(),
        lists: Vec::new(),
        code: false,
        fresh: true,
        row: Row::default(),
    };
    for event in Parser::new_ext(markdown, Options::ENABLE_TABLES) {
        writer.take(event);
    }
}

struct Writer<'a> {
    roff: &'a mut Roff,
    /// What has been read of a paragraph or a cell.
    line: Vec<Inline>,
    /// The fonts in force, innermost last.
    fonts: Vec<fn(String) -> Inline>,
    /// Lists that are open: the number of the next item, of those that have numbers.
    lists: Vec<Option<u64>>,
    /// Whether this is a block of code.
    code: bool,
    /// Whether a heading stands before, so that no paragraph need begin.
    fresh: bool,
    row: Row,
}

/// A row of a table.
#[derive(Default)]
struct Row {
    /// The headings of the columns.
    head: Vec<String>,
    cells: Vec<Vec<Inline>>,
}

impl Writer<'_> {
    fn take(&mut self, event: Event) {
        match event {
            Event::Start(tag) => self.start(&tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) if self.code => self.verbatim(&text),
            Event::Text(text) => {
                let font = self.fonts.last().copied().unwrap_or(roman);
                self.line.push(font(text.into_string()));
            }
            Event::Code(text) => self.line.push(bold(text.into_string())),
            Event::SoftBreak | Event::HardBreak => self.line.push(roman(" ")),
            // Comments, and what `docs/` does not have.
            _ => {}
        }
    }

    fn start(&mut self, tag: &Tag) {
        match tag {
            Tag::Paragraph if self.lists.is_empty() => self.paragraph(),
            Tag::List(first) => self.lists.push(*first),
            Tag::Item => {
                self.flush();
                self.fresh = false;
                match self.lists.last_mut() {
                    Some(Some(number)) => {
                        self.roff.control("IP", [format!("{number}.").as_str(), "4"]);
                        *number += 1;
                    }
                    _ => drop(self.roff.control("IP", ["\\(bu", "3"])),
                }
            }
            Tag::CodeBlock(_) => {
                self.flush();
                self.code = true;
                self.paragraph();
                self.roff.control("RS", ["4"]);
                self.roff.control("nf", []);
            }
            Tag::Emphasis => self.fonts.push(italic),
            Tag::Strong => self.fonts.push(bold),
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Paragraph => self.flush(),
            TagEnd::Item => self.flush(),
            TagEnd::List(_) => drop(self.lists.pop()),
            TagEnd::Heading(_) => {
                let heading = plain(&std::mem::take(&mut self.line));
                self.roff.control("SS", [heading.as_str()]);
                self.fresh = true;
            }
            TagEnd::CodeBlock => {
                self.code = false;
                self.roff.control("fi", []);
                self.roff.control("RE", []);
            }
            TagEnd::Emphasis | TagEnd::Strong => drop(self.fonts.pop()),
            TagEnd::TableCell => self.row.cells.push(std::mem::take(&mut self.line)),
            TagEnd::TableHead => {
                self.row.head = self.row.cells.drain(..).map(|cell| plain(&cell)).collect();
            }
            TagEnd::TableRow => self.row(),
            _ => {}
        }
    }

    /// A row is its first cell, and what the others say of it: with their headings, where there are several.
    fn row(&mut self) {
        let mut cells = self.row.cells.drain(..).zip(&self.row.head);
        let Some((first, _)) = cells.next() else { return };
        self.fresh = false;
        self.roff.control("TP", []);
        self.roff.text(first);
        let others: Vec<_> = cells.collect();
        let several = others.len() > 1;
        let mut body = Vec::new();
        for (cell, head) in others {
            if several {
                body.push(roman(format!("{}{head}: ", if body.is_empty() { "" } else { "; " })));
            }
            body.extend(cell);
        }
        self.roff.text(body);
    }

    fn paragraph(&mut self) {
        if !std::mem::replace(&mut self.fresh, false) {
            self.roff.control("PP", []);
        }
    }

    fn verbatim(&mut self, text: &str) {
        for line in text.lines() {
            match line {
                "" => self.roff.control("sp", []),
                line => self.roff.text([roman(line)]),
            };
        }
    }

    fn flush(&mut self) {
        if !self.line.is_empty() {
            self.roff.text(std::mem::take(&mut self.line));
        }
    }
}

fn plain(inlines: &[Inline]) -> String {
    let text = |inline: &Inline| match inline {
        Inline::Roman(text) | Inline::Italic(text) | Inline::Bold(text) => text.clone(),
        Inline::LineBreak => " ".to_owned(),
    };
    inlines.iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(markdown: &str) -> String {
        let mut roff = Roff::new();
        append(&mut roff, markdown);
        roff.to_roff()
    }

    #[test]
    fn what_the_pages_have_is_carried_over() {
        assert_eq!(
            rendered("One `--flag` and\n[a link](#there), **bold**.\n\nTwo.\n"),
            "One \\fB\\-\\-flag\\fR and a link, \\fBbold\\fR.\n.PP\nTwo.\n"
        );
        assert_eq!(rendered("- one\n- two\n"), ".IP \\(bu 3\none\n.IP \\(bu 3\ntwo\n");
        assert_eq!(rendered("### A `b`\n1. one\n2. two\n"), ".SS \"A b\"\n.IP 1. 4\none\n.IP 2. 4\ntwo\n");
        assert_eq!(rendered("```sh\n.a\n\nb \\\n```\n"), ".RS 4\n.nf\n\\&.a\n.sp\nb \\\\\n.fi\n.RE\n");
    }

    #[test]
    fn rows_of_tables_are_lists_of_terms() {
        assert_eq!(rendered("| a | b |\n|---|---|\n| `x` | y |\n"), ".TP\n\\fBx\\fR\ny\n");
        assert_eq!(rendered("| a | b | c |\n|---|---|---|\n| x | y | z |\n"), ".TP\nx\nb: y; c: z\n");
    }
}
