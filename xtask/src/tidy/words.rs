//! One word per concept, where people read: the catalogues of the web UI, what the program prints, and the documents.

use super::tree::File;
use super::{Finding, rust};

/// Words that are not ours, and the one that is.
const BANNED: &[(&str, &str)] = &[
    ("relay", "hub"),
    ("relays", "hubs"),
    ("relayed", "through a hub"),
    ("gateway", "hub or host"),
    ("mesh", "hub"),
    ("spoke", "client"),
    ("operator", "account"),
    ("subchat", "session"),
];

pub(super) fn banned(file: &File) -> Vec<Finding> {
    let read_by_people = texts(file).into_iter();
    read_by_people
        .flat_map(|(line, text)| {
            let found = text.split(|c: char| !c.is_alphabetic()).map(str::to_lowercase);
            let found = found.filter_map(|word| BANNED.iter().find(|(banned, _)| *banned == word));
            found
                .map(|(word, ours)| Finding::new(file, line, format!("`{word}` is not our word: {ours}")))
                .collect::<Vec<_>>()
        })
        .collect()
}

/// The texts of a file that people read, with their lines.
fn texts(file: &File) -> Vec<(usize, String)> {
    let whole = || file.text.lines().enumerate().map(|(at, line)| (at + 1, line.to_owned())).collect();
    let catalogue = file.path.starts_with("web/src/")
        && file.path.split('/').any(|part| {
            matches!(part.split('.').next(), Some("words" | "messages" | "catalogue" | "catalogues" | "i18n"))
        });
    match file.ending() {
        "md" if !file.path.starts_with("docs/adr/") => whole(),
        "ts" | "tsx" | "json" if catalogue => whole(),
        "rs" if file.path.starts_with("towline/src/") => {
            let code = rust::without_tests(&file.text);
            let help = code.lines().enumerate().filter(|(_, line)| line.trim_start().starts_with("///"));
            let help = help.map(|(at, line)| (at + 1, line.to_owned()));
            rust::strings(code).into_iter().chain(help).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::file;
    use super::*;

    #[test]
    fn banned_words_are_found_where_people_read() {
        for (path, text) in [
            ("README.md", "A relay for agents."),
            ("web/src/words/en.ts", "offline: 'The Gateway is away',"),
            ("web/messages/en.json", ""),
            ("towline/src/up.rs", "say(\"connect to a mesh\")"),
            ("towline/src/cli.rs", "    /// The relay to use\n    relay: String,"),
        ] {
            assert_eq!(banned(&file(path, text)).len(), usize::from(!text.is_empty()), "{path}");
        }
    }

    #[test]
    fn code_and_records_may_use_any_word() {
        for (path, text) in [
            ("towline/src/up.rs", "let relay = mesh(); // gateway"),
            ("docs/adr/0001-x.md", "not a relay"),
            ("hub/src/a.rs", "relay"),
            ("README.md", "He spokes of delayed relaying"),
        ] {
            assert_eq!(banned(&file(path, text)), [], "{path}");
        }
    }
}
