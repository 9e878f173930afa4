//! `completions` and `man`: what a shell and `man` want to know, made from the arguments themselves.

use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::{self, Cli};
use crate::error::{CommandError, Kind};
use crate::output::{self, Output};

/// Prints the completions for a shell.
pub(crate) fn completions(shell: Shell, out: Output) -> Result<(), CommandError> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut cli::command(), "towline", &mut text);
    out.raw(&with_hubs(shell, &String::from_utf8_lossy(&text)))
}

/// What prints the hubs that `--hub` can name, one a line; a shell asks while somebody types.
const HUBS: &str = "towline pair hubs --names 2>/dev/null";

/// Lets a shell ask which hubs there are where `--hub` is to be completed, instead of naming files.
fn with_hubs(shell: Shell, script: &str) -> String {
    match shell {
        Shell::Bash => {
            let files = "--hub)\n                    COMPREPLY=($(compgen -f \"${cur}\"))";
            let hubs = format!("--hub)\n                    COMPREPLY=($(compgen -W \"$({HUBS})\" -- \"${{cur}}\"))");
            script.replace(files, &hubs)
        }
        Shell::Zsh => {
            let ask = format!("_towline_hubs() {{\n    compadd -- ${{(f)\"$({HUBS})\"}}\n}}\n\n");
            let script = script.replace(":HUB:_default'", ":HUB:_towline_hubs'");
            script.replace("if [ \"$funcstack[1]\"", &format!("{ask}if [ \"$funcstack[1]\""))
        }
        Shell::Fish => {
            let mut lines = String::with_capacity(script.len());
            for line in script.lines() {
                lines.push_str(line);
                if line.contains(" -l hub ") && line.ends_with(" -r") {
                    lines.extend([" -f -a \"(", HUBS, ")\""]);
                }
                lines.push('\n');
            }
            lines
        }
        _ => script.to_owned(),
    }
}

/// Prints the manual page, or writes one for each verb.
pub(crate) fn man(dir: Option<&Path>, out: Output) -> Result<(), CommandError> {
    let Some(dir) = dir else {
        let mut text = Vec::new();
        let made = clap_mangen::Man::new(cli::command()).render(&mut text);
        made.map_err(|error| CommandError::new(Kind::Bug, error))?;
        return out.raw(&String::from_utf8_lossy(&text));
    };
    let failed = |error: std::io::Error| {
        CommandError::new(Kind::No, error).during(format!("cannot write manual pages into {}", dir.display()))
    };
    std::fs::create_dir_all(dir).map_err(failed)?;
    clap_mangen::generate_to(cli::command(), dir).map_err(failed)?;
    output::note(format!("Written. To read one: man {}", dir.join("towline.1").display()));
    Ok(())
}

/// What stands above the page of the command line.
const ABOVE: &str = "\
# The command line

<!-- Made from `towline/src/cli` by `cargo xtask gen`; a stale file fails a test. -->

Results go to standard output, everything else to standard error. `--json` prints results as JSON, one object per line, with stable
fields. Colours and progress are for terminals only; `NO_COLOR` switches colours off.

| exit code | what it means |
|---|---|
| 0 | done |
| 1 | it did not work out, or the answer is no |
| 2 | wrong arguments |
| 3 | the configuration or the machine does not allow it |
| 4 | Towline does not run, or cannot be reached |
| 5 | denied |
| 70 | a bug of Towline |

A session is named by its title, by the beginning of one that no other begins with, by its id, or as `last`.
";

/// Prints every verb as one page of Markdown.
pub(crate) fn page(out: Output) -> Result<(), CommandError> {
    let mut command = cli::command();
    command.build();
    let mut text = ABOVE.to_owned();
    verbs(&mut command, "towline", &mut text);
    out.raw(&text)
}

/// A command and what is below it.
fn verbs(command: &mut clap::Command, name: &str, text: &mut String) {
    // The flags of every verb are shown once, above.
    let nested = name != "towline";
    if nested {
        let above = Cli::command();
        let global: Vec<String> =
            above.get_arguments().filter(|arg| arg.is_global_set()).map(|arg| arg.get_id().to_string()).collect();
        *command = global.into_iter().fold(command.clone(), |command, id| command.mut_arg(id, |arg| arg.hide(true)));
    }
    let help = command.render_help().to_string();
    let lines: Vec<&str> = help.trim_end().lines().map(str::trim_end).collect();
    text.extend(["\n## `", name, "`\n\n```text\n", &lines.join("\n"), "\n```\n"]);
    for below in command.get_subcommands_mut().filter(|below| !below.is_hide_set()) {
        let name = format!("{name} {}", below.get_name());
        verbs(below, &name, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shells_ask_for_the_hubs_wherever_one_can_be_named() {
        for (shell, place) in [(Shell::Bash, "--hub)\n"), (Shell::Zsh, "'--hub=["), (Shell::Fish, " -l hub -d 'Talk")] {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut cli::command(), "towline", &mut text);
            let plain = String::from_utf8(text).unwrap();
            let script = with_hubs(shell, &plain);
            let places = plain.matches(place).count();
            let asks = match shell {
                Shell::Zsh => script.matches(":HUB:_towline_hubs'").count(),
                _ => script.matches(HUBS).count(),
            };
            assert!(places > 15 && asks == places, "{shell}: {asks} of {places}");
            assert_eq!(script.matches("_towline_hubs() {").count(), usize::from(shell == Shell::Zsh));
        }
    }
}
