//! A verb that does not exist: what was probably meant.

use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::Cli;
use crate::error::{CommandError, Kind};
use crate::near::nearest;

/// Words of other programs, and what does that here.
const ELSEWHERE: &[(&[&str], &str)] = &[
    (&["status", "info", "ps"], "`towline` alone says whether it runs and where."),
    (&["start", "serve", "server", "run", "daemon"], "`towline up` starts it."),
    (&["stop", "down", "quit", "kill"], "Ctrl-C in its terminal stops it; `towline cancel` stops a turn of a session."),
    (&["ls", "list", "chats"], "`towline sessions` lists the sessions."),
    (&["new", "chat", "ask", "prompt", "say"], "`towline send \"…\"` starts a session, or goes on with one."),
    (&["show", "view", "attach", "watch", "follow"], "`towline tail last` shows a session as it goes on."),
    (&["allow", "approve", "deny"], "`towline answer` answers what an agent asks."),
    (
        &["share", "join", "unshare", "participants"],
        "`towline sessions share` lets somebody else into a session, and `towline sessions join` takes part in one.",
    ),
    (&["rm", "remove"], "`towline delete` deletes a session for good."),
    (&["login", "add-device", "invite"], "`towline pair` lets a phone or another browser in."),
    (&["update", "upgrade"], "Get the new program as you got this one; `towline up` takes on the data that is there."),
    (&["uninstall", "install"], "`towline service install` and `uninstall` are about starting with this machine."),
];

/// What is said instead of clap's own words, where we know better.
pub(crate) fn slip(error: &clap::Error) -> Option<CommandError> {
    if error.kind() != ErrorKind::InvalidSubcommand {
        return None;
    }
    let ContextValue::String(typed) = error.get(ContextKind::InvalidSubcommand)? else { return None };
    // The usage names the verbs that were right until then: `Usage: towline config [OPTIONS] <COMMAND>`.
    let usage = error.get(ContextKind::Usage)?.to_string();
    let mut at = Cli::command();
    let mut path = vec![at.get_name().to_owned()];
    for word in usage.split_whitespace().skip(2).take_while(|word| !word.starts_with(['[', '<', '-'])) {
        at = at.find_subcommand(word)?.clone();
        path.push(word.to_owned());
    }
    let path = path.join(" ");
    let names: Vec<&str> =
        at.get_subcommands().filter(|verb| !verb.is_hide_set()).map(clap::Command::get_name).collect();
    let mut said = CommandError::say(Kind::Usage, format!("there is no `{path} {typed}`"));
    let elsewhere = || ELSEWHERE.iter().find(|(words, _)| words.contains(&typed.as_str())).map(|(_, words)| *words);
    if let Some(words) = elsewhere().filter(|_| path == "towline") {
        said = said.hint(words);
    } else if let Some(name) = nearest(typed, names.iter().copied()) {
        said = said.hint(format!("Did you mean `{path} {name}`?"));
    }
    Some(said.hint(format!("`{path} --help` lists what there is.")))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn hints(words: &str) -> Option<(String, Vec<String>)> {
        let said = slip(&Cli::try_parse_from(words.split(' ')).expect_err(words))?;
        Some((format!("{:#}", said.source), said.hints))
    }

    #[test]
    fn what_was_mistyped_is_met_with_what_was_meant() {
        for (words, meant) in [
            ("towline pu", "towline up"),
            ("towline sesions", "towline sessions"),
            ("towline doctr", "towline doctor"),
            ("towline config shwo", "towline config show"),
            ("towline pair alow", "towline pair allow"),
            ("towline --json service instal", "towline service install"),
        ] {
            let (wrong, said) = hints(words).expect(words);
            assert_eq!(wrong, format!("there is no `{}`", words.replace(" --json", "")));
            let (verbs, _) = meant.rsplit_once(' ').unwrap();
            assert_eq!(
                said,
                [format!("Did you mean `{meant}`?"), format!("`{verbs} --help` lists what there is.")],
                "{words}"
            );
        }
        // What is near to nothing is met with the list.
        assert_eq!(hints("towline banana").unwrap().1, ["`towline --help` lists what there is."]);
    }

    #[test]
    fn words_of_other_programs_are_met_with_ours() {
        let all: Vec<&str> = ELSEWHERE.iter().flat_map(|(words, _)| words.iter().copied()).collect();
        for word in all {
            let (_, said) =
                hints(&format!("towline {word}")).unwrap_or_else(|| panic!("`{word}` is one of ours by now"));
            assert_eq!(said.len(), 2, "{word}: {said:?}");
            assert!(!said[0].starts_with("Did you mean"), "{word}: {said:?}");
        }
        // What a hint names exists.
        for (_, hint) in ELSEWHERE {
            let named = hint.split('`').filter_map(|part| part.strip_prefix("towline ")?.split(' ').next());
            for verb in named {
                assert!(Cli::command().find_subcommand(verb).is_some(), "{verb}");
            }
        }
        assert!(
            slip(&Cli::try_parse_from(["towline", "sessions", "--al"]).unwrap_err()).is_none(),
            "clap says that well"
        );
    }
}
