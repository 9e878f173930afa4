//! Options and words behind an allowed beginning that make a program run or write something else: a rule by first words does not
//! reach them, so that a person is asked. Nothing here runs or asks anything.
//!
//! A program may run its own files, as `npm test` does: that is what its rule is for. What is meant here is a command, a program or
//! the name of a file to write that stands in the words themselves.

use super::paths;

/// Options of any program, to the letter, that take a command or the name of a file to write.
const OPTIONS: &[&str] = &[
    "-exec",
    "-toolexec",
    "-vettool",
    "--config-env",
    "--editor",
    "--exec",
    "--exec-batch",
    "--execute",
    "--ext-diff",
    "--extcmd",
    "--output",
    "--pager",
    "--receive-pack",
    "--rsh",
    "--script-shell",
    "--toolexec",
    "--upload-pack",
    "--vettool",
];

/// Options of one program in addition, which some take in any shorter form that is not ambiguous.
const OPTIONS_OF: &[(&str, &[&str])] = &[
    ("cargo", &["--config"]),
    (
        "git",
        &[
            "--config",
            "--config-env",
            "--exec",
            "--exec-path",
            "--export-marks",
            "--ext-diff",
            "--extcmd",
            "--index-output",
            "--open-files-in-pager",
            "--output",
            "--output-directory",
            "--receive-pack",
            "--separate-git-dir",
            "--template",
            "--upload-pack",
            "--work-tree",
        ],
    ),
    ("hg", &["--config"]),
    ("jj", &["--config", "--config-file", "--config-toml"]),
    ("npm", &["--globalconfig", "--node-options", "--script-shell", "--shell", "--userconfig"]),
    ("pnpm", &["--globalconfig", "--node-options", "--script-shell", "--shell", "--userconfig"]),
    ("rg", &["--hostname-bin", "--pre"]),
    ("sort", &["--compress-program", "--output"]),
    ("yarn", &["--script-shell", "--use-yarnrc"]),
];

/// Subcommands of Git in which no option of one letter runs or writes what it is given.
const PLAIN_GIT: &[&str] = &[
    "add",
    "blame",
    "branch",
    "checkout",
    "cherry-pick",
    "commit",
    "diff",
    "fetch",
    "log",
    "ls-files",
    "merge",
    "mv",
    "pull",
    "push",
    "remote",
    "reset",
    "restore",
    "revert",
    "show",
    "stash",
    "status",
    "switch",
    "tag",
];

/// Subcommands of Git that run what their words say, or write down what is to run: with these, every word counts.
const GIT_RUNNERS: &[&str] = &[
    "config",
    "credential",
    "daemon",
    "difftool",
    "filter-branch",
    "for-each-repo",
    "hook",
    "instaweb",
    "mergetool",
    "send-email",
    "shell",
];

/// Whether the words behind the first `known` ones go further than those say: with an option that runs or writes something, or to
/// what is kept from rules.
pub(super) fn go_further(said: &[String], known: usize) -> bool {
    let Some((program, words)) = said.split_first() else { return false };
    let rest = said.get(known..).unwrap_or_default();
    // The last word of the beginning may be an option that takes the next one.
    let open = said.get(known.saturating_sub(1)..).unwrap_or_default();
    let program = program.rsplit('/').next().unwrap_or(program);
    !rest.is_empty()
        && (open.iter().any(|word| is_risky(program, word))
            || rest.iter().any(|word| names_kept(word))
            || (program == "git" && git_goes_further(words, known.saturating_sub(1))))
}

/// What stands behind options that run it, up to the next of them: also found where a command is refused.
pub(super) fn run_by(segment: &[String]) -> Vec<Vec<String>> {
    let mut found: Vec<Vec<String>> = Vec::new();
    let mut git = (false, "");
    for word in segment {
        let (name, value) = word.split_once('=').map_or((word.as_str(), None), |(name, value)| (name, Some(value)));
        let runs = matches!(name, "--exec" | "--extcmd" | "-toolexec" | "--toolexec")
            || matches!((git, name), ((true, "rebase" | "difftool"), "-x"))
            || matches!((git, name), ((true, "bisect"), "run") | ((true, "submodule"), "foreach"));
        if runs {
            found.push(value.map(str::to_owned).into_iter().collect());
        } else if let Some(last) = found.last_mut() {
            last.push(word.clone());
        }
        if git.0 && git.1.is_empty() && !word.starts_with('-') {
            git.1 = word;
        }
        git.0 |= word.rsplit('/').next() == Some("git");
    }
    found.retain(|segment| !segment.is_empty());
    found
}

/// Whether a word is an option that runs or writes what it is given.
fn is_risky(program: &str, word: &str) -> bool {
    let name = word.split_once('=').map_or(word, |(name, _)| name);
    let own = || OPTIONS_OF.iter().filter(|(of, _)| *of == program).flat_map(|(_, options)| *options);
    OPTIONS.contains(&name)
        || (name.len() > 2 && name.starts_with("--") && own().any(|option| option.starts_with(name)))
        || (program == "sort" && is_short(word) && word.contains('o'))
}

/// Options of one letter, with what may stand behind them in the same word.
fn is_short(word: &str) -> bool {
    word.starts_with('-') && !word.starts_with("--")
}

/// Whether a word names something in a directory that is kept from rules.
fn names_kept(word: &str) -> bool {
    word.split(['/', '=', ':', ',', '\\']).any(paths::is_kept_name)
}

/// What is so of Git alone; `words` are those behind `git`.
fn git_goes_further(words: &[String], known: usize) -> bool {
    let rest = words.get(known..).unwrap_or_default();
    // Whatever stands before the subcommand decides what Git runs: `-c core.pager=…`.
    let at = words.iter().position(|word| !word.starts_with('-'));
    let before = words.get(known..at.unwrap_or(words.len())).unwrap_or_default();
    if before.iter().any(|word| !matches!(word.as_str(), "--no-pager" | "-P" | "--version" | "--help")) {
        return true;
    }
    let Some((subcommand, words)) = at.and_then(|at| words.get(at..)).and_then(<[String]>::split_first) else {
        return false;
    };
    let says = |verb: &str| words.iter().any(|word| word == verb);
    match subcommand.as_str() {
        // To read a setting changes none.
        "config" => !words.first().is_some_and(|word| {
            matches!(word.as_str(), "--get" | "--get-all" | "--get-regexp" | "--list" | "-l" | "get" | "list")
        }),
        "bisect" => says("run"),
        "submodule" => says("foreach"),
        // Here `-c` is a setting and `-u` a program.
        "clone" => rest.iter().any(|word| is_short(word) && word.contains(['c', 'u'])),
        plain if PLAIN_GIT.contains(&plain) => false,
        runner if GIT_RUNNERS.contains(&runner) => true,
        _ => rest.iter().any(|word| is_short(word) && word.contains(['x', 'o', 'O'])),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::shell::begins;
    use super::{OPTIONS, OPTIONS_OF};

    fn covered(rule: &str, command: &str) -> bool {
        begins(command, &rule.split(' ').map(str::to_owned).collect::<Vec<_>>(), false)
    }

    #[test]
    fn a_beginning_does_not_reach_what_runs_or_writes() {
        for (rule, command) in [
            ("git rebase", "git rebase --exec 'rm -rf x' HEAD"),
            ("git rebase", "git rebase --exec='rm -rf x' HEAD"),
            ("git rebase", "git rebase --exec make HEAD"),
            ("git rebase", "git rebase --exe 'rm -rf x' HEAD"),
            ("git rebase", "git rebase -x 'rm -rf x' HEAD"),
            ("git rebase", "git rebase -ix 'rm -rf x' HEAD"),
            ("git rebase", "git rebase '-xrm -rf x' HEAD"),
            ("git rebase", "git rebase HEAD -x make"),
            ("git log", "git log --output=.git/hooks/pre-commit"),
            ("git log", "git log --output x"),
            ("git log", "git log --outp=x"),
            ("git log", "git log --ext-diff -p"),
            ("git diff", "git diff --output x"),
            ("git diff", "git diff a .git/config"),
            ("git format-patch", "git format-patch -o hooks HEAD"),
            ("git archive", "git archive -ohooks HEAD"),
            ("git fetch", "git fetch --upload-pack 'sh x' ."),
            ("git fetch", "git fetch --upload-p=x ."),
            ("git push", "git push --receive-pack=x ."),
            ("git push", "git push --exec=x ."),
            ("git clone", "git clone -c core.fsmonitor=x . y"),
            ("git clone", "git clone --config core.fsmonitor=x . y"),
            ("git clone", "git clone -u x . y"),
            ("git clone", "git clone --template=x . y"),
            ("git grep", "git grep -Ox y"),
            ("git grep", "git grep --open-files-in-pager=x y"),
            ("git config", "git config core.pager x"),
            ("git config", "git config alias.x 'y z'"),
            ("git bisect", "git bisect run x"),
            ("git bisect run", "git bisect run x"),
            ("git submodule", "git submodule foreach 'rm x'"),
            ("git difftool", "git difftool -x x"),
            ("git", "git -c core.pager=x log"),
            ("git", "git -ccore.pager=x log"),
            ("git", "git --config-env=core.pager=X log"),
            ("git", "git --exec-path=x log"),
            ("git", "git --git-dir=x status"),
            ("git", "git --no-pager -c core.pager=x log"),
            ("git", "git rebase -x x"),
            ("git", "git config core.pager x"),
            ("go build", "go build -toolexec 'rm x'"),
            ("go build", "go build -toolexec=x"),
            ("go test", "go test --toolexec=x"),
            ("go test", "go test -exec x"),
            ("go vet", "go vet -vettool=x"),
            ("cargo test", "cargo test --config build.rustc-wrapper=x"),
            ("cargo test", "cargo test --config 'build.rustc-wrapper = x'"),
            ("hg log", "hg log --config alias.x=y"),
            ("npm test", "npm test --script-shell ./x"),
            ("npm test", "npm test --script-sh=x"),
            ("rg foo", "rg foo --pre x"),
            ("sort names", "sort names -o x"),
            ("cp a", "cp a .git/hooks/pre-commit"),
            ("cp a", "cp a ./.GIT/hooks/pre-commit"),
            ("cp a", "cp a sub/.claude/settings.json"),
            ("npm test", "npm test --into=.vscode/tasks.json"),
            ("npm test", "npm test .envrc"),
            // The last word of the rule takes the next one.
            ("git rebase --exec", "git rebase --exec 'rm x'"),
        ] {
            assert!(!covered(rule, command), "{command}");
        }
    }

    #[test]
    fn a_beginning_reaches_what_is_ordinary() {
        for (rule, command) in [
            ("git commit", "git commit -m \"a b\""),
            ("git commit", "git commit -am 'fix: look at --exec and .git/hooks'"),
            ("git commit", "git commit --amend --no-edit -o x"),
            ("git switch", "git switch -c topic"),
            ("git checkout", "git checkout -b topic"),
            ("git cherry-pick", "git cherry-pick -x abc"),
            ("git log", "git log --oneline -10 -Sfoo"),
            ("git log", "git log --no-ext-diff --format=short"),
            ("git diff", "git diff --stat HEAD src/a.rs .gitignore"),
            ("git push", "git push -u origin topic"),
            ("git rev-parse", "git rev-parse --git-dir"),
            ("git clone", "git clone sub/x.git --depth 1"),
            ("git rebase", "git rebase -i main"),
            ("git rebase", "git rebase --autostash --rebase-merges main"),
            ("git bisect", "git bisect good abc"),
            ("git config", "git config --get user.name"),
            ("git submodule", "git submodule update --init --recursive"),
            ("git", "git status"),
            ("git", "git --no-pager log"),
            ("git rebase --exec make", "git rebase --exec make main"),
            ("npm test", "npm test -- --grep \"a b\""),
            ("npm test", "npm test -- --config jest.config.js --watch"),
            ("npm run build", "npm run build --prod --out-dir dist"),
            ("cargo test", "cargo test foo"),
            ("cargo test", "cargo test -p host --lib -- --exact 'a b' --nocapture"),
            ("cargo clippy", "cargo clippy --all-targets -- -D warnings"),
            ("go test", "go test -run 'A B' ./src"),
            ("go build", "go build -o bin/x"),
            ("pytest tests", "pytest tests -x -k 'a or b'"),
            ("eslint src", "eslint src --ext .ts --fix --config x.js"),
            ("prettier src", "prettier src --check"),
        ] {
            assert!(covered(rule, command), "{command}");
        }
    }

    proptest! {
        #[test]
        fn an_option_that_runs_or_writes_is_found_wherever_it_stands(
            before in "( [a-z-]{1,6}){0,3}",
            after in "( [a-z-]{1,6}){0,3}",
            option in prop::sample::select(OPTIONS.to_vec()),
            value in prop::sample::select(vec!["=x", " x", " 'x y'", "='x y'", ""]),
        ) {
            let command = format!("prog sub{before} {option}{value}{after}");
            prop_assert!(!covered("prog sub", &command), "{command:?}");
        }

        #[test]
        fn no_shorter_form_of_an_option_is_covered(at in 0..1000_usize, cut in 0..30_usize, before in "( [a-z]{1,6}){0,3}") {
            let all: Vec<(&str, &str)> =
                OPTIONS_OF.iter().flat_map(|(program, all)| all.iter().map(|option| (*program, *option))).collect();
            let (program, option) = all[at % all.len()];
            let short = &option[..option.len() - cut.min(option.len() - 3)];
            let command = format!("{program} sub{before} {short}=x");
            let rule = format!("{program} sub");
            prop_assert!(!covered(&rule, &command), "{command:?}");
        }

        #[test]
        fn words_without_options_and_kept_names_are_covered(words in prop::collection::vec("[a-z][a-z. _]{0,8}", 0..5)) {
            let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
            let command = format!("git commit {}", quoted.join(" "));
            prop_assert!(covered("git commit", command.trim_end()), "{command:?}");
        }
    }
}
