//! `coco [--check|--print-config] [CONFIG]`, and the configuration that it names.

use std::cell::RefCell;
use std::ffi::OsString;
use std::fmt::{self, Display};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Command, CommandFactory, FromArgMatches, Parser};
use coco_core::config::{Configuration, Problems, Program};
use coco_core::text::Line;
use thiserror::Error;

use crate::files::{self, Accept};

/// The arguments of a daemon.
#[derive(Debug, PartialEq, Eq, Parser)]
pub struct CommandLine {
    /// Check the configuration and exit: 0 when it is fine, 1 when it is not.
    ///
    /// Nothing is bound, so this can run beside a live daemon.
    #[arg(long)]
    pub check: bool,

    /// Print the configuration with the values of all keys, defaults included, and exit.
    #[arg(long, conflicts_with = "check")]
    pub print_config: bool,

    /// The configuration file.
    #[arg(default_value = "coco.conf")]
    pub config: PathBuf,
}

impl CommandLine {
    /// Reads the arguments of this process. `--help` and `--version` print and exit with status 0, wrong usage
    /// with 2.
    ///
    /// `about` is one line on what the program is for.
    pub fn parse(program: Program, version: &'static str, about: &'static str) -> Self {
        Self::try_parse(program, version, about, std::env::args_os()).unwrap_or_else(|stop| stop.exit())
    }

    fn try_parse(
        program: Program,
        version: &'static str,
        about: &'static str,
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Result<Self, clap::Error> {
        Self::from_arg_matches(&command(program, version, about).try_get_matches_from(arguments)?)
    }
}

/// The command line of a program, for whatever makes documents of it.
pub fn command(program: Program, version: &'static str, about: &'static str) -> Command {
    CommandLine::command().name(name(program)).version(version).about(about)
}

fn name(program: Program) -> &'static str {
    match program {
        Program::Coco => "coco",
        Program::Noodle => "noodle",
    }
}

/// Reads and checks a configuration file. Takes a few seconds at most for each file that does not answer.
pub fn load<C: Configuration>(path: &Path, accept: Accept) -> Result<C, LoadError> {
    load_and_note(path, accept, &RefCell::default())
}

/// The same, and notes the files that it names.
pub(crate) fn load_and_note<C: Configuration>(
    path: &Path,
    accept: Accept,
    named: &RefCell<Vec<PathBuf>>,
) -> Result<C, LoadError> {
    let text = files::read_text(path, accept)
        .map_err(|source| LoadError::Unreadable { path: path.to_owned(), source })?;
    let can_read = |path: &Path| {
        named.borrow_mut().push(path.to_owned());
        files::can_read(path, accept)
    };
    C::parse_with_files(&text, can_read)
        .map_err(|problems| LoadError::Wrong { path: path.to_owned(), problems })
}

/// A configuration file that can be read again.
#[derive(Debug, Clone)]
pub struct Source {
    /// Where it is.
    pub path: PathBuf,
}

impl Source {
    /// Reads and checks it again, while others share the thread.
    pub async fn load_again<C: Configuration>(&self) -> Result<C, LoadError> {
        let path = self.path.clone();
        let unreadable = |source| LoadError::Unreadable { path: self.path.clone(), source };
        files::apart(move || load(&path, Accept::Files)).await.map_err(unreadable)?
    }
}

/// A configuration that a daemon cannot start or go on with. Displayed as one line a problem, each with the
/// name of the file in front: `coco.conf: line 12: ...`.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The file cannot be read, or is not UTF-8.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The file says what it must not, or does not say what it must.
    #[error("{}", Lines { path, problems })]
    Wrong {
        /// The file.
        path: PathBuf,
        /// All that is wrong with it.
        problems: Problems,
    },
}

struct Lines<'a> {
    path: &'a Path,
    problems: &'a Problems,
}

impl Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{}: {problem}", self.path.display())?;
        }
        Ok(())
    }
}

/// Says on standard error why the process cannot start, and returns the exit status for that: 1.
pub fn give_up(reason: impl Display) -> ExitCode {
    // Without standard error there is nobody to tell; the status still does.
    let reason = reason.to_string();
    let lines: String =
        reason.split('\n').flat_map(|line| [Line(line).to_string(), "\n".to_owned()]).collect();
    let _ = io::stderr().write_all(lines.as_bytes());
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use clap::error::ErrorKind;
    use coco_core::config::CocoConfig;

    use super::*;

    fn parse(arguments: &[&str]) -> Result<CommandLine, clap::Error> {
        let arguments = ["coco"].iter().chain(arguments).map(OsString::from);
        CommandLine::try_parse(Program::Coco, "1.2.3", "Shards.", arguments)
    }

    #[test]
    fn the_configuration_has_a_default() {
        let expected = CommandLine { check: false, print_config: false, config: "coco.conf".into() };
        assert_eq!(parse(&[]).unwrap(), expected);
        let expected = CommandLine { check: true, print_config: false, config: "/etc/coco.conf".into() };
        assert_eq!(parse(&["--check", "/etc/coco.conf"]).unwrap(), expected);
        assert_eq!(parse(&["/etc/coco.conf", "--check"]).unwrap(), expected);
    }

    #[test]
    fn wrong_usage_exits_with_2_and_questions_with_0() {
        for wrong in
            [&["--chekc"][..], &["a.conf", "b.conf"], &["--check=yes"], &["--check", "--print-config"]]
        {
            assert_eq!(parse(wrong).unwrap_err().exit_code(), 2, "{wrong:?}");
        }
        let version = parse(&["--version"]).unwrap_err();
        assert_eq!((version.kind(), version.exit_code()), (ErrorKind::DisplayVersion, 0));
        assert_eq!(version.to_string(), "coco 1.2.3\n");
        let help = parse(&["--help"]).unwrap_err();
        assert_eq!((help.kind(), help.exit_code()), (ErrorKind::DisplayHelp, 0));
        for part in ["Shards.", "Usage: coco [OPTIONS] [CONFIG]", "--check", "[default: coco.conf]"] {
            assert!(help.to_string().contains(part), "{help}");
        }
    }

    #[test]
    fn every_problem_stands_on_a_line_with_the_name_of_the_file() {
        let Err(problems) = CocoConfig::parse("[listen]\nbind = 1\nbnid = 2\n") else { panic!("accepted") };
        let count = problems.iter().count();
        assert!(count >= 2, "{problems}");
        let text = LoadError::Wrong { path: "coco.conf".into(), problems }.to_string();
        assert_eq!(text.lines().count(), count);
        assert!(text.lines().all(|line| line.starts_with("coco.conf: ")), "{text}");
        assert!(text.contains("coco.conf: line 2: listen.bind: "), "{text}");
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let problem =
            load::<CocoConfig>(Path::new("no/such/coco.conf"), Accept::Files).unwrap_err().to_string();
        assert!(problem.starts_with("no/such/coco.conf: No such file"), "{problem}");
    }
}
