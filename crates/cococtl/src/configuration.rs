//! Reading a `coco.conf` on whichever machine the operator sits.

use std::path::Path;

use coco_core::config::{Config, Program};
use coco_daemon::command_line::LoadError;
use coco_daemon::files::{self, Accept};

/// Reads a configuration that is valid for one of the daemons at least.
///
/// Files that it names are not looked for: they are on the machines where the daemons run.
pub fn load(path: &Path) -> Result<Config, LoadError> {
    let text = files::read_text(path, Accept::Pipes)
        .map_err(|source| LoadError::Unreadable { path: path.to_owned(), source })?;
    Config::parse(&text, Program::Coco)
        // Where Noodle runs alone, a target may be what Coco would take for itself.
        .or_else(|problems| Config::parse(&text, Program::Noodle).map_err(|_| problems))
        .map_err(|problems| LoadError::Wrong { path: path.to_owned(), problems })
}
