//! Finds the daemons to measure.

use std::path::PathBuf;
use std::process::Command;

use crate::error::{Doing, Error};

/// The daemons to measure: those that are named, or the release builds of this workspace.
pub(crate) fn programs<const N: usize>(named: [(&str, &Option<PathBuf>); N]) -> Result<[PathBuf; N], Error> {
    let builds: Vec<&str> = named.iter().filter(|(_, path)| path.is_none()).map(|(name, _)| *name).collect();
    build(&builds)?;
    let mut paths = std::array::from_fn(|_| PathBuf::new());
    for (found, (name, path)) in paths.iter_mut().zip(named) {
        *found = match path {
            Some(path) => path.canonicalize().doing(|| format!("find {}", path.display()))?,
            None => beside(name)?,
        };
    }
    Ok(paths)
}

/// Brings release builds up to date where cargo is at hand.
fn build(packages: &[&str]) -> Result<(), Error> {
    let Some(cargo) = std::env::var_os("CARGO").filter(|_| !packages.is_empty()) else {
        return Ok(());
    };
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");
    let mut command = Command::new(cargo);
    command.args(["build", "--release", "--manifest-path", manifest]);
    command.args(packages.iter().flat_map(|package| ["--package", package]));
    let status = command.status().doing(|| "run cargo".to_owned())?;
    if status.success() { Ok(()) } else { Err(Error::Meaningless(format!("{packages:?} do not build"))) }
}

/// The program of this name beside this one.
fn beside(name: &str) -> Result<PathBuf, Error> {
    let own = std::env::current_exe().doing(|| "find this program".to_owned())?;
    let beside = own.with_file_name(name);
    beside.is_file().then_some(beside).ok_or_else(|| {
        Error::Meaningless(format!(
            "no {name} beside {}: build it with --release, or say --{name}",
            own.display()
        ))
    })
}
