//! `completions` and `man`: what a shell and `man` want to know, made from the arguments themselves.

use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::error::{CommandError, Kind};
use crate::output::{self, Output};

/// Prints the completions for a shell.
pub(crate) fn completions(shell: Shell, out: Output) -> Result<(), CommandError> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "towline", &mut text);
    out.raw(&String::from_utf8_lossy(&text))
}

/// Prints the manual page, or writes one for each verb.
pub(crate) fn man(dir: Option<&Path>, out: Output) -> Result<(), CommandError> {
    let Some(dir) = dir else {
        let mut text = Vec::new();
        let made = clap_mangen::Man::new(Cli::command()).render(&mut text);
        made.map_err(|error| CommandError::new(Kind::Bug, error))?;
        return out.raw(&String::from_utf8_lossy(&text));
    };
    let failed = |error: std::io::Error| {
        CommandError::new(Kind::No, error).during(format!("cannot write manual pages into {}", dir.display()))
    };
    std::fs::create_dir_all(dir).map_err(failed)?;
    clap_mangen::generate_to(Cli::command(), dir).map_err(failed)?;
    output::note(format!("Written. To read one: man {}", dir.join("towline.1").display()));
    Ok(())
}
