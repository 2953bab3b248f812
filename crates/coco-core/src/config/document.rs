//! The text as a tree of TOML whose places are known, and the problems found while it is read.

use std::fmt::Debug;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Program;
use super::error::{Problem, Problems};
use super::file::{ConfigFile, Entry};
use super::keys::{FROM_TARGET, Key, TARGET, inner_sections, of_section, top_sections};
use super::suggest;
use super::value::{FromToml, Mismatch, found};
use super::written::{line, path};

/// A value and where it stands in the text.
pub(super) type Value<'t> = Spanned<DeValue<'t>>;

/// The whole file.
pub(super) struct Document<'t> {
    root: DeTable<'t>,
    pub(super) findings: Findings,
}

impl<'t> Document<'t> {
    /// Parses TOML; the sections that don't exist are the first findings.
    pub(super) fn parse(text: &'t str, program: Program) -> Result<Self, Problems> {
        let mut findings = Findings::new(text, program);
        let root = match DeTable::parse(text) {
            Ok(root) => root.into_inner(),
            Err(error) => {
                findings.report(error.span(), "", error.message());
                return Err(findings.into_problems());
            }
        };
        for (name, value) in &root {
            if top_sections().all(|section| section != name.get_ref().as_ref()) {
                let what = if value.get_ref().is_table() { "section" } else { "key" };
                let message = format!("unknown {what}, {}", suggest::section(name.get_ref()));
                findings.report(Some(name.span()), &path("", name.get_ref()), &message);
            }
        }
        Ok(Self { root, findings })
    }

    /// A section at the top of the file, which may be absent.
    pub(super) fn section(&mut self, name: &'static str) -> Section<'_, 't> {
        let value = self.root.get(name);
        Section::open(name, name.to_owned(), value, &mut self.findings)
    }

    /// A section at the top of the file as it stands there, for sections whose keys are the operator's.
    pub(super) fn raw_section(&mut self, name: &str) -> (Option<&Value<'t>>, &mut Findings) {
        (self.root.get(name), &mut self.findings)
    }
}

/// A table whose keys are those that [`KEYS`](super::KEYS) has for its section.
///
/// Reading a value that is wrong reports it and goes on with the default, so that one pass finds everything.
pub(super) struct Section<'d, 't> {
    name: &'static str,
    path: String,
    span: Option<Range<usize>>,
    table: Option<&'d DeTable<'t>>,
    pub(super) findings: &'d mut Findings,
}

impl<'d, 't> Section<'d, 't> {
    /// `name` as in the table of keys, `path` as in the file. Reports keys that don't belong here.
    pub(super) fn open(
        name: &'static str,
        path_here: String,
        value: Option<&'d Value<'t>>,
        findings: &'d mut Findings,
    ) -> Self {
        let span = value.map(Spanned::span);
        let table = value.and_then(|value| value.get_ref().as_table());
        if let (None, Some(value)) = (table, value) {
            let message = format!("expected a table, found {}", found(value.get_ref()));
            findings.report(span.clone(), &path_here, &message);
        }
        for (key, _) in table.into_iter().flatten() {
            let key_name = key.get_ref();
            let is_known = of_section(name).any(|known| known.name == key_name.as_ref());
            if !is_known && inner_sections(name).all(|inner| inner != key_name.as_ref()) {
                let message = format!("unknown key, {}", suggest::key(name, key_name));
                findings.report(Some(key.span()), &path(&path_here, key_name), &message);
            }
        }
        Self { name, path: path_here, span, table, findings }
    }

    /// The value of a key, or its default.
    pub(super) fn read<T: FromToml>(&mut self, name: &str) -> T {
        self.optional(name).unwrap_or_else(|| {
            let (key, default) = (self.key(name), default(self.key(name)));
            self.findings.note_fixed(key, &default);
            default
        })
    }

    /// The value of a key. `None` when it is absent, which is reported when the program can't do without, and when
    /// it is wrong, which is reported always.
    pub(super) fn optional<T: FromToml>(&mut self, name: &str) -> Option<T> {
        let (key, value) = self.find(name);
        let value = value?;
        match T::from_toml(&key.kind, value.get_ref()) {
            Ok(read) => {
                self.findings.note_fixed(key, &read);
                self.note_value(key, line(value.get_ref()));
                Some(read)
            }
            Err(mismatch) => {
                let message = mismatch.message(&key.kind, value.get_ref());
                self.findings.report(Some(value.span()), &path(&self.path, name), &message);
                None
            }
        }
    }

    /// A section within this one, if it stands there.
    pub(super) fn inner<'s>(&'s mut self, section: &'static str, name: &str) -> Option<Section<'s, 't>> {
        let value = self.value(name)?;
        Some(Section::open(section, path(&self.path, name), Some(value), self.findings))
    }

    /// The elements of an array, each with its path; like [`Self::optional`] when it is absent or none.
    pub(super) fn elements(&mut self, name: &str) -> Option<Vec<(String, &'d Value<'t>)>> {
        let (key, value) = self.find(name);
        let value = value?;
        let here = path(&self.path, name);
        let Some(array) = value.get_ref().as_array() else {
            let message = Mismatch::Type.message(&key.kind, value.get_ref());
            self.findings.report(Some(value.span()), &here, &message);
            return None;
        };
        self.note_value(key, line(value.get_ref()));
        Some(array.iter().enumerate().map(|(index, element)| (format!("{here}[{index}]"), element)).collect())
    }

    /// The elements of an array as values of a type, less those that are none of it, which is reported for each.
    pub(super) fn array<T: FromToml>(&mut self, name: &str, expected: &str) -> Option<Vec<T>> {
        let kind = &self.key(name).kind;
        let mut read = Vec::new();
        for (path, value) in self.elements(name)? {
            match T::from_toml(kind, value.get_ref()) {
                Ok(element) => read.push(element),
                Err(mismatch) => {
                    let message = mismatch.message(expected, value.get_ref());
                    self.findings.report(Some(value.span()), &path, &message);
                }
            }
        }
        Some(read)
    }

    /// Notes the value of a key, for who asks what holds. Those of a target are noted with all targets.
    fn note_value(&mut self, key: &'static Key, value: String) {
        if self.name != TARGET && self.name != FROM_TARGET {
            self.findings.entries.push(Entry { section: self.path.clone(), key, value });
        }
    }

    /// Reports something about a key of this section, or about the section when the key is absent.
    pub(super) fn report(&mut self, name: &str, message: &str) {
        let span = self.value(name).map(Spanned::span).or_else(|| self.span.clone());
        self.findings.report(span, &path(&self.path, name), message);
    }

    /// Warns of something about a key of this section, or about the section when the key is absent.
    pub(super) fn warn(&mut self, name: &str, message: &str) {
        let span = self.value(name).map(Spanned::span).or_else(|| self.span.clone());
        self.findings.warn(span, &path(&self.path, name), message);
    }

    /// Whether the key stands in the file.
    pub(super) fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    fn find(&mut self, name: &str) -> (&'static Key, Option<&'d Value<'t>>) {
        let (key, value) = (self.key(name), self.value(name));
        // A value where a table belongs was reported as such; its keys are not missed as well.
        let is_unreadable = self.table.is_none() && self.span.is_some();
        if value.is_none() && !is_unreadable && key.required_by.contains(&self.findings.program) {
            self.report(name, &format!("missing, expected {}", key.kind));
        }
        (key, value)
    }

    fn value(&self, name: &str) -> Option<&'d Value<'t>> {
        self.table?.get(name)
    }

    fn key(&self, name: &str) -> &'static Key {
        of_section(self.name).find(|key| key.name == name).expect("every key that is read stands in KEYS")
    }
}

fn default<T: FromToml>(key: &Key) -> T {
    let text = key.default.expect("a key that is read without `optional` has a default");
    let value = DeValue::parse(text).expect("defaults are TOML");
    T::from_toml(&key.kind, value.get_ref()).expect("defaults are of their key's kind")
}

/// The problems found so far.
pub(super) struct Findings {
    /// The program that reads the file, which decides which keys may be missing.
    program: Program,
    /// Where each line but the first starts.
    line_starts: Vec<usize>,
    found: Vec<(Option<usize>, Problem)>,
    /// Warnings: no problems, but seldom meant.
    warnings: Vec<(Option<usize>, Problem)>,
    /// The values of keys that need a restart, for comparing them.
    fixed: Vec<(&'static Key, String)>,
    /// The keys that stand in the file, with their values.
    entries: Vec<Entry>,
}

impl Findings {
    fn new(text: &str, program: Program) -> Self {
        let line_starts = text.match_indices('\n').map(|(newline, _)| newline + 1).collect();
        Self {
            program,
            line_starts,
            found: Vec::new(),
            warnings: Vec::new(),
            fixed: Vec::new(),
            entries: Vec::new(),
        }
    }

    /// Notes a problem at a place in the text.
    pub(super) fn report(&mut self, span: Option<Range<usize>>, key: &str, message: &str) {
        let problem = self.problem(span, key, message);
        self.found.push(problem);
    }

    /// Notes what is taken as it stands, and seldom meant.
    fn warn(&mut self, span: Option<Range<usize>>, key: &str, message: &str) {
        let warning = self.problem(span, key, message);
        self.warnings.push(warning);
    }

    fn problem(&self, span: Option<Range<usize>>, key: &str, message: &str) -> (Option<usize>, Problem) {
        let offset = span.map(|span| span.start);
        let line = offset.map(|offset| self.line_starts.partition_point(|start| *start <= offset) + 1);
        (offset, Problem { line, key: key.to_owned(), message: message.to_owned() })
    }

    fn note_fixed(&mut self, key: &'static Key, value: &impl Debug) {
        if key.needs_restart && key.read_by.contains(&self.program) {
            self.fixed.push((key, format!("{value:?}")));
        }
    }

    /// The rest of the file beside its sections, with warnings in the file's order.
    pub(super) fn take_file(&mut self) -> ConfigFile {
        let mut warnings = std::mem::take(&mut self.warnings);
        warnings.sort_by_key(|(offset, _)| *offset);
        ConfigFile {
            warnings: warnings.into_iter().map(|(_, warning)| warning).collect(),
            fixed: std::mem::take(&mut self.fixed),
            entries: std::mem::take(&mut self.entries),
        }
    }

    /// Whether nothing was reported about this key.
    pub(super) fn is_fine(&self, key: &str) -> bool {
        self.found.iter().all(|(_, problem)| problem.key != key)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// All of them in the file's order.
    pub(super) fn into_problems(mut self) -> Problems {
        self.found.sort_by_key(|(offset, _)| offset.unwrap_or(usize::MAX));
        Problems::new(self.found.into_iter().map(|(_, problem)| problem).collect())
    }
}
