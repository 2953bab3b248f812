//! Reading a `coco.conf` on whichever machine the operator sits.

use std::path::Path;

use coco_core::config::{Config, Program, Written};
use coco_daemon::command_line::LoadError;

/// Reads a configuration that is valid for one of the daemons at least.
///
/// Files that it names are not looked for: they are on the machines where the daemons run.
pub fn load(path: &Path) -> Result<Config, LoadError> {
    load_as_written(path).map(|(config, _)| config)
}

/// The same, and how it is written.
pub fn load_as_written(path: &Path) -> Result<(Config, Written), LoadError> {
    parse(path, &read(path)?)
}

/// The text of a configuration.
pub fn read(path: &Path) -> Result<String, LoadError> {
    std::fs::read_to_string(path).map_err(|source| LoadError::Unreadable { path: path.to_owned(), source })
}

/// The configuration that this text of a file is, and how it is written.
pub fn parse(path: &Path, text: &str) -> Result<(Config, Written), LoadError> {
    let config = Config::parse(text, Program::Coco)
        // Where Noodle runs alone, a target may be what Coco would take for itself.
        .or_else(|problems| Config::parse(text, Program::Noodle).map_err(|_| problems))
        .map_err(|problems| LoadError::Wrong { path: path.to_owned(), problems })?;
    Ok((config, Written::parse(text)))
}
