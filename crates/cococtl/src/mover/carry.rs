//! One host from some nodes to another, file by file: the steps that `steps` says, done.

use std::thread;

use super::crew::Desk;
use super::steps::{Course, Event, Step, Verdict};
use super::way::Passage;
use crate::failure::Failure;
use crate::node::name::FileName;
use crate::node::protocol::{Answer, Ask, Copied, Listed, Text};

/// Most things that are wrong which are told of one host.
const TOLD: usize = 20;

/// What came of one host.
#[derive(Debug, Default)]
pub(super) struct Carried {
    /// Files that it has.
    pub(super) files: u64,
    /// Seconds of the longest step of them.
    pub(super) step: u64,
    /// Files that were made or changed.
    pub(super) changed: u64,
    /// Files with rows in progress that may differ once they are full.
    pub(super) unfinished: u64,
    /// Values that its new owner had not.
    pub(super) values: u64,
    /// Values that were compared.
    pub(super) compared: u64,
    /// Bytes that were written.
    pub(super) bytes: u64,
    /// Files that are not as they should be.
    pub(super) wrong_files: u64,
    /// What is wrong, in words.
    pub(super) wrong: Vec<String>,
}

impl Carried {
    /// Whether all is as it should be.
    pub(super) fn is_well(&self) -> bool {
        self.wrong_files == 0 && self.wrong.is_empty()
    }

    /// A host of which nothing was begun.
    pub(super) fn failed(reason: &Failure) -> Self {
        let mut carried = Self::default();
        carried.fail(reason);
        carried
    }

    /// Adds what came of a file.
    pub(super) fn add(&mut self, file: &FileName, verdict: Verdict) {
        let Verdict { created, values, bytes, compared, unfinished, wrong } = verdict;
        self.changed += u64::from(created || bytes > 0);
        self.unfinished += u64::from(unfinished);
        self.values += values;
        self.compared += compared;
        self.bytes += bytes;
        self.wrong_files += u64::from(!wrong.is_empty());
        let room = TOLD.saturating_sub(self.wrong.len());
        self.wrong.extend(wrong.into_iter().take(room).map(|wrong| format!("{file}: {wrong}")));
    }

    fn fail(&mut self, reason: &Failure) {
        self.wrong_files += 1;
        self.wrong.push(reason.to_string());
    }
}

/// Takes each file of a host through its course, for each node that has it: what the first of them knows counts.
pub(super) fn carry(passage: &Passage, desk: &mut Desk<'_>, course: &Course) -> Carried {
    let mut carried = Carried::default();
    for (index, from) in passage.from.iter().enumerate() {
        let files = match list(desk, from, &passage.host) {
            Ok(files) => files,
            Err(reason) => {
                carried.fail(&reason);
                continue;
            }
        };
        carried.files = carried.files.max(files.len() as u64);
        for Listed { file, step, .. } in files {
            carried.step = carried.step.max(step.unwrap_or(0));
            let way = FileWay { file: &file, from, to: &passage.to, counts: index == 0 };
            match take(desk, &way, course.clone()) {
                Ok(verdict) => carried.add(&file, verdict),
                Err(reason) => {
                    carried.fail(&reason);
                    // Whoever is gone is gone for the other files, too.
                    return carried;
                }
            }
        }
    }
    carried
}

/// The RRD files of a host on a node.
pub(super) fn list(desk: &mut Desk<'_>, node: &str, host: &[u8]) -> Result<Vec<Listed>, Failure> {
    match ask(desk, node, &Ask::List { host: Text(host.to_vec()) }, &[])?.0 {
        Answer::Files { files, .. } => Ok(files),
        other => Err(unexpected(node, other)),
    }
}

/// Asks a node, and takes note of it if it is not there.
pub(super) fn ask(
    desk: &mut Desk<'_>,
    node: &str,
    ask: &Ask,
    bytes: &[u8],
) -> Result<(Answer, Vec<u8>), Failure> {
    let asked = desk.session(node)?.ask(ask, bytes);
    if let Err(reason) = &asked {
        desk.note_failure(node, reason);
    }
    asked
}

/// What a node says that nobody asked for.
pub(super) fn unexpected(node: &str, answer: Answer) -> Failure {
    let reason = match answer {
        Answer::Problem { reason } => reason,
        other => format!("it says {other:?}"),
    };
    Failure::Node { node: node.to_owned(), reason }
}

/// A file, and between whom it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct FileWay<'a> {
    /// Which.
    pub(super) file: &'a FileName,
    /// Who has it.
    pub(super) from: &'a str,
    /// Who is to have it.
    pub(super) to: &'a str,
    /// Whether what the first knows counts where both know something.
    pub(super) counts: bool,
}

/// Takes a file through its course.
pub(super) fn take(desk: &mut Desk<'_>, way: &FileWay<'_>, mut course: Course) -> Result<Verdict, Failure> {
    let FileWay { file, from, to, counts } = *way;
    let mut copy: Option<(Copied, Vec<u8>)> = None;
    let mut step = course.begin();
    loop {
        let event = match step {
            Step::Over(verdict) => return Ok(verdict),
            Step::Export(pause) => {
                thread::sleep(pause);
                match ask(desk, from, &Ask::Export { file: file.clone() }, &[])? {
                    (Answer::Copy(copied), bytes) => {
                        copy = Some((copied, bytes));
                        Event::Exported(copied.last)
                    }
                    (Answer::Absent, _) => Event::Gone,
                    (other, _) => Event::Problem(unexpected(from, other).to_string()),
                }
            }
            Step::Import { inexact } => {
                let (copied, bytes) =
                    copy.as_ref().map_or((None, &[][..]), |(copied, bytes)| (Some(*copied), bytes));
                let Some(copy) = copied else { return Err(unexpected(from, Answer::Absent)) };
                let import = Ask::Import { file: file.clone(), copy, counts, inexact };
                event(ask(desk, to, &import, bytes)?.0, to)
            }
            Step::Compare { inexact } => {
                let bytes = copy.as_ref().map_or(&[][..], |(_, bytes)| bytes);
                let compare = Ask::Compare { file: file.clone(), counts, inexact };
                event(ask(desk, to, &compare, bytes)?.0, to)
            }
        };
        step = course.next(event);
    }
}

fn event(answer: Answer, node: &str) -> Event {
    match answer {
        Answer::Imported(imported) => Event::Imported(imported),
        Answer::Compared(compared) => Event::Compared(compared),
        Answer::Later => Event::Later,
        Answer::Again => Event::Again,
        Answer::Absent => Event::Absent,
        other => Event::Problem(unexpected(node, other).to_string()),
    }
}
