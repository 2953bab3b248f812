//! coco-manual: man pages and completions for shells, made of what is written down already.
//!
//! - [`pages`] are the man pages of programs: their arguments as clap knows them, and chapters of `docs/`;
//! - [`configuration`] is coco.conf(5), made of the table of keys and `coco.sample.conf`;
//! - [`completions`] are for bash, zsh and fish;
//! - [`programs`] is the table of the programs, [`chapters`] finds them, [`markdown`] turns them into roff.
//!
//! `cargo run -p coco-manual -- DIRECTORY` writes all of it as it is to lie below `/usr/share`. Not shipped.

#![forbid(unsafe_code)]

pub mod chapters;
pub mod completions;
pub mod configuration;
pub mod markdown;
pub mod pages;
pub mod programs;

use std::path::PathBuf;

/// A file of the manual.
#[derive(Debug, PartialEq, Eq)]
pub struct Document {
    /// Where it belongs, below `/usr/share`.
    pub path: PathBuf,
    /// What is in it.
    pub text: String,
}

/// All files of the manual.
///
/// # Panics
/// When a chapter is missing.
pub fn documents() -> Vec<Document> {
    let mut documents = pages::documents();
    documents.push(configuration::document());
    documents.extend(completions::documents());
    documents
}

/// The file of a man page.
fn page(name: &str, section: char, roff: &roff::Roff) -> Document {
    Document { path: format!("man/man{section}/{name}.{section}").into(), text: roff.render() }
}
