//! Completions for shells.

use clap_complete::{Generator, Shell, generate};

use crate::Document;
use crate::programs::programs;

/// Each shell, and where Debian has the completions that packages bring.
const SHELLS: [(Shell, &str); 3] = [
    (Shell::Bash, "bash-completion/completions"),
    (Shell::Zsh, "zsh/vendor-completions"),
    (Shell::Fish, "fish/vendor_completions.d"),
];

/// A file for each program and shell.
pub fn documents() -> Vec<Document> {
    let of_program = |mut command: clap::Command| {
        let name = command.get_name().to_owned();
        SHELLS.map(|(shell, directory)| {
            let mut text = Vec::new();
            generate(shell, &mut command, &name, &mut text);
            let file = match shell {
                // bash-completion looks for the name of the command.
                Shell::Bash => name.clone(),
                shell => shell.file_name(&name),
            };
            Document {
                path: format!("{directory}/{file}").into(),
                text: String::from_utf8(text).expect("clap has text only"),
            }
        })
    };
    programs().into_iter().flat_map(|manual| of_program(manual.command)).collect()
}
