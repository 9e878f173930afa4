//! Commands as text: whether one is simple enough to be understood whole, what a command that is not may still mention, and what
//! looks dangerous. Nothing here runs or asks anything.
//!
//! Two questions, two answers. To *allow*, a command must be understood to the last character ([`simple`]): one program, its words,
//! no syntax of the shell. To *refuse*, it is enough that it seems to mention what is refused ([`mentions`]).

#[cfg(test)]
mod tests;

use super::options;

/// Longest command that is looked at, in bytes; a longer one is not simple.
const MAX_BYTES: usize = 16 * 1024;

/// Programs that run what their arguments say: only the very words that were allowed are allowed.
const RUNNERS: &[&str] = &[
    "ash",
    "at",
    "awk",
    "bash",
    "batch",
    "builtin",
    "bun",
    "bunx",
    "busybox",
    "chroot",
    "cmd",
    "command",
    "csh",
    "curl",
    "dash",
    "deno",
    "doas",
    "docker",
    "entr",
    "env",
    "eval",
    "exec",
    "expect",
    "fd",
    "find",
    "fish",
    "flock",
    "gawk",
    "gdb",
    "ionice",
    "just",
    "ksh",
    "kubectl",
    "lua",
    "make",
    "mawk",
    "nice",
    "node",
    "nodejs",
    "nohup",
    "npx",
    "nsenter",
    "osascript",
    "parallel",
    "perl",
    "php",
    "pnpx",
    "podman",
    "powershell",
    "pwsh",
    "python",
    "python2",
    "python3",
    "repeat",
    "rsync",
    "ruby",
    "runuser",
    "scp",
    "screen",
    "script",
    "sed",
    "setsid",
    "sh",
    "source",
    "ssh",
    "stdbuf",
    "strace",
    "su",
    "sudo",
    "systemd-run",
    "tar",
    "tclsh",
    "tee",
    "time",
    "timeout",
    "tmux",
    "trap",
    "unshare",
    "uv",
    "uvx",
    "vi",
    "vim",
    "watch",
    "wget",
    "xargs",
    "zsh",
];

/// Shells that take a script behind `-c`.
const SHELLS: &[&str] = &["ash", "bash", "dash", "ksh", "sh", "zsh"];

/// Words of shells that stand before a command and are none: `if`, `while`, `!` and their like, of `bash`, `zsh` and `fish`.
const BEFORE: &[&str] = &[
    "!",
    "-",
    "and",
    "begin",
    "coproc",
    "do",
    "elif",
    "else",
    "if",
    "nocorrect",
    "noglob",
    "not",
    "or",
    "then",
    "until",
    "while",
];

/// Programs that are dangerous whatever their arguments, and what they do.
const DANGERS: &[(&str, &str)] = &[
    ("chmod", "it changes who may use files"),
    ("chown", "it changes whose files are"),
    ("crontab", "it changes what runs by itself"),
    ("dd", "it writes over disks and files"),
    ("doas", "it acts as another user"),
    ("fdisk", "it changes disks"),
    ("halt", "it stops the machine"),
    ("kill", "it ends processes"),
    ("killall", "it ends processes"),
    ("launchctl", "it changes services"),
    ("mkfs", "it erases disks"),
    ("mount", "it changes what is mounted"),
    ("parted", "it changes disks"),
    ("pkill", "it ends processes"),
    ("poweroff", "it stops the machine"),
    ("reboot", "it stops the machine"),
    ("rm", "it removes files"),
    ("rmdir", "it removes directories"),
    ("shred", "it destroys files"),
    ("shutdown", "it stops the machine"),
    ("su", "it acts as another user"),
    ("sudo", "it acts as another user"),
    ("systemctl", "it changes services"),
    ("truncate", "it cuts files"),
    ("umount", "it changes what is mounted"),
];

/// The words of a command that is one program with its arguments and nothing else; `None` for everything about which there could be
/// doubt: operators, redirections, substitutions, variables, globs, escapes, comments, assignments before the program, line ends,
/// control characters, characters that look like spaces or turn the text around.
pub fn simple(command: &str) -> Option<Vec<String>> {
    if command.len() > MAX_BYTES || command.chars().any(is_deceptive) {
        return None;
    }
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = command.chars();
    while let Some(char) = chars.next() {
        match char {
            ' ' => words.extend(word.take()),
            // The program itself stands there as it is.
            '\'' | '"' if words.is_empty() => return None,
            '\'' | '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        end if end == char => break,
                        // In double quotes these still mean something.
                        '$' | '`' | '\\' | '!' if char == '"' => return None,
                        inside => word.push(inside),
                    }
                }
            }
            '|' | '&' | ';' | '<' | '>' | '(' | ')' | '$' | '`' | '\\' | '*' | '?' | '[' | ']' | '{' | '}' | '!'
            | '^' | '%' => {
                return None;
            }
            // At the beginning of a word `=` names a program in some shells.
            '~' | '#' | '=' if word.is_none() => return None,
            '=' if words.is_empty() => return None,
            plain => word.get_or_insert_default().push(plain),
        }
    }
    words.extend(word);
    let program = words.first()?;
    let is_plain = |char: char| char.is_ascii_alphanumeric() || matches!(char, '.' | '_' | '-' | '+' | '/' | ':' | '@');
    (!program.is_empty() && program.chars().all(is_plain)).then_some(words)
}

/// Whether a character may show something else than what runs: control characters, spaces that are none, marks that steer the
/// direction of the text or cannot be seen.
fn is_deceptive(char: char) -> bool {
    (char.is_control() || (char.is_whitespace() && char != ' '))
        || matches!(char, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// The script of `bash -lc 'SCRIPT'` and its like, which is what runs; any other command as it is.
pub fn unwrapped(command: &str) -> String {
    match simple(command).as_deref() {
        Some([shell, flag, script])
            if SHELLS.contains(&base(shell)) && matches!(flag.as_str(), "-c" | "-lc" | "-cl") =>
        {
            script.clone()
        }
        _ => command.to_owned(),
    }
}

/// Whether a program runs what its arguments say, so that its first words say little.
pub fn is_runner(program: &str) -> bool {
    RUNNERS.binary_search(&base(program)).is_ok()
}

/// Whether a simple command begins with these words, or is exactly these. What follows may not lead out of the directory, nor run or
/// write something of its own: that is asked.
pub fn begins(command: &str, words: &[String], exact: bool) -> bool {
    let Some(said) = simple(command) else { return false };
    let Some(rest) = said.strip_prefix(words).filter(|_| !words.is_empty()) else { return false };
    if exact {
        return rest.is_empty();
    }
    !is_runner(&words[0]) && !rest.iter().any(|word| leads_away(word)) && !options::go_further(&said, words.len())
}

/// Whether a word seems to name something outside of the directory.
fn leads_away(word: &str) -> bool {
    word.starts_with(['/', '~'])
        || word.contains("=/")
        || word.contains("=~")
        || word.contains(":/")
        || word.split(['/', '=', ':', ',', '\\']).any(|part| part == "..")
        // An option with its value in one word, such as `-C/tmp`.
        || (word.starts_with('-') && word.contains('/') && !word.contains('='))
}

/// Whether a command, however it is written, seems to run something that begins with these words: behind operators, in
/// substitutions, in quotes, behind programs that run others, with options in between.
pub fn mentions(command: &str, words: &[String]) -> bool {
    let Some((program, rest)) = words.split_first() else { return false };
    segments(command).iter().any(|segment| {
        starts(segment).any(|at| base(&segment[at]) == base(program) && follows(&segment[at + 1..], rest))
    })
}

/// Whether these words come next, options and their values passed over.
fn follows(mut said: &[String], words: &[String]) -> bool {
    for word in words {
        loop {
            match said {
                [next, rest @ ..] if next == word => {
                    said = rest;
                    break;
                }
                // An option, which may have taken the next word with it.
                [option, value, rest @ ..] if option.starts_with('-') && value != word && !value.starts_with('-') => {
                    said = rest;
                }
                [option, rest @ ..] if option.starts_with('-') => said = rest,
                _ => return false,
            }
        }
    }
    true
}

/// Every word of a command, without quotes: what could be the name of a file in it.
pub fn words_of(command: &str) -> Vec<String> {
    segments(command).concat()
}

/// The pieces of a command between operators, each as its words, without quotes.
fn segments(command: &str) -> Vec<Vec<String>> {
    let mut all = vec![Vec::new()];
    let bare: String = command.replace("\\\n", "").chars().filter(|char| !matches!(char, '\'' | '"' | '\\')).collect();
    for piece in bare.split(['|', '&', ';', '(', ')', '<', '>', '{', '}', '$', '`', '\n', '\r', ',']) {
        all.push(Vec::new());
        for word in piece.split(|char: char| char.is_whitespace() || is_deceptive(char)).filter(|word| !word.is_empty())
        {
            let Some(segment) = all.last_mut() else { continue };
            if matches!(word, "-exec" | "-execdir" | "-ok" | "-okdir" | "then" | "do" | "else" | "elif" | "!" | "]]") {
                all.push(Vec::new());
            } else if !(segment.is_empty() && BEFORE.contains(&word)) {
                segment.push(word.to_owned());
            }
        }
    }
    all.retain(|segment| !segment.is_empty());
    let run: Vec<_> = all.iter().flat_map(|segment| options::run_by(segment)).collect();
    all.extend(run);
    all
}

/// Where a program may stand in a piece: at its beginning behind assignments; anywhere, when it begins with one that runs others.
fn starts(segment: &[String]) -> impl Iterator<Item = usize> + '_ {
    let first = segment.iter().position(|word| !is_assignment(word)).unwrap_or(segment.len());
    let all = segment.get(first).is_some_and(|word| is_runner(word));
    first..if all { segment.len() } else { (first + 1).min(segment.len()) }
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && name.chars().all(|char| char.is_ascii_alphanumeric() || matches!(char, '_' | '+'))
    })
}

/// Why a command looks dangerous, in words.
pub fn danger(command: &str) -> Option<&'static str> {
    let segments = segments(command);
    let fetches = |segment: &Vec<String>| starts(segment).any(|at| matches!(base(&segment[at]), "curl" | "wget"));
    let interprets =
        |segment: &Vec<String>| !fetches(segment) && starts(segment).any(|at| SHELLS.contains(&base(&segment[at])));
    if segments.iter().any(fetches) && segments.iter().any(interprets) {
        return Some("it runs what it fetches");
    }
    for segment in &segments {
        for at in starts(segment) {
            let (program, rest) = (base(&segment[at]), &segment[at + 1..]);
            // `mkfs.ext4` is one, too.
            let stem = program.split('.').next().unwrap_or(program);
            if let Some((_, why)) = DANGERS.iter().find(|(name, _)| *name == stem) {
                return Some(why);
            }
            let has = |words: &[&str]| rest.iter().any(|word| words.contains(&word.as_str()));
            let verb = |words: &[&str]| {
                rest.iter().find(|word| !word.starts_with('-')).is_some_and(|word| words.contains(&word.as_str()))
            };
            let why = match program {
                "git"
                    if has(&["push"])
                        && (has(&["-f", "--force", "--force-with-lease", "--delete", "-d", "--mirror"])
                            || rest.iter().any(|word| word.starts_with('+') || word.starts_with("--force"))) =>
                {
                    "it rewrites what others have"
                }
                "git" if has(&["reset"]) && has(&["--hard"]) => "it throws changes away",
                "git" if has(&["clean"]) => "it removes files",
                "git" if has(&["branch"]) && has(&["-D"]) => "it removes a branch",
                "npm" | "pnpm" | "yarn" | "cargo" if verb(&["publish", "unpublish", "yank"]) => "it publishes",
                "terraform" | "tofu" if verb(&["apply", "destroy"]) => "it changes what runs elsewhere",
                "kubectl" if verb(&["delete", "drain"]) => "it removes what runs elsewhere",
                "find" if has(&["-delete"]) => "it removes files",
                _ => continue,
            };
            return Some(why);
        }
    }
    None
}

/// The name of a program without its directory.
fn base(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}
