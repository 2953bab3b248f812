//! `coco-manual DIRECTORY`: writes the man pages and the completions for shells.

#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{fs, io};

use clap::Parser;

/// Writes the man pages and the completions for shells
#[derive(Debug, Parser)]
#[command(version)]
struct CommandLine {
    /// Takes the place of /usr/share; made if it is not there
    directory: PathBuf,
}

fn main() -> ExitCode {
    let CommandLine { directory } = CommandLine::parse();
    for document in coco_manual::documents() {
        let path = directory.join(&document.path);
        if let Err(problem) = write(&path, &document.text) {
            return coco_daemon::command_line::give_up(format_args!("{}: {problem}", path.display()));
        }
    }
    ExitCode::SUCCESS
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    fs::create_dir_all(path.parent().unwrap_or(path))?;
    fs::write(path, text)
}
