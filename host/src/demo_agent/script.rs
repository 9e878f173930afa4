//! What a prompt is understood to want: a script of a few steps.

use std::time::Duration;

use super::history::History;
use super::words;

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Think aloud.
    Think(String),
    /// Say something.
    Say(String),
    /// Say so many words.
    Words(u64),
    /// The pause between words from here on.
    Rate(Duration),
    /// Wait.
    Sleep(Duration),
    /// Show the plan, with so many steps done.
    Plan(usize),
    /// Read the directory and say what is there.
    Look,
    /// Read a file and quote its beginning.
    Read(String),
    /// Write a file, when it may.
    Write { path: String, text: String },
    /// End in the middle.
    Die,
}

/// The pause between words when nothing else is said.
pub(super) const RATE: Duration = Duration::from_millis(35);
/// Longest pause, and most words, that a directive may ask for.
const LONGEST: Duration = Duration::from_hours(1);
const MOST_WORDS: u64 = 100_000;

/// Reads a prompt.
pub(super) fn understand(prompt: &str, history: &History) -> Vec<Step> {
    let directed = directives(prompt);
    if !directed.is_empty() {
        return directed;
    }
    let lower = prompt.to_lowercase();
    let has = |any: &[&str]| any.iter().any(|word| lower.contains(word));
    if has(&["create", "write", "make", "add", "save"])
        && let Some(path) = file_name(prompt)
    {
        let text = words::file_text(prompt, &path);
        return vec![
            Step::Think(words::before_writing(&path)),
            Step::Plan(0),
            Step::Say(words::will_write(&path)),
            Step::Plan(1),
            Step::Write { path, text },
            Step::Plan(3),
        ];
    }
    if has(&["read", "show", "open", "cat "])
        && let Some(path) = file_name(prompt)
    {
        return vec![Step::Think(format!("I will look into {path}. ")), Step::Read(path)];
    }
    if has(&["remember", "did i say", "did i ask", "before", "earlier"]) {
        return vec![Step::Say(words::remembered(history))];
    }
    if has(&["list", "files", "look around", "directory", "folder", "what is here", "what's here"]) {
        return vec![Step::Think("A look around first. ".to_owned()), Step::Look];
    }
    if has(&["hello", "hi ", "help", "what can you"]) || lower.trim() == "hi" {
        return vec![Step::Say(words::introduction())];
    }
    vec![
        Step::Think(words::thought(prompt)),
        Step::Plan(0),
        Step::Look,
        Step::Plan(2),
        Step::Say(words::answer(prompt)),
        Step::Plan(3),
    ]
}

/// The directives of a prompt: `[[say WORDS]] [[words N]] [[think WORDS]] [[rate MS]] [[sleep MS]] [[look]] [[read PATH]]
/// [[write PATH TEXT]] [[die]]`. What stands around them, and what is none of them, is passed over.
fn directives(prompt: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = prompt;
    while let Some((_, after)) = rest.split_once("[[") {
        let Some((inside, after)) = after.split_once("]]") else { break };
        rest = after;
        let (word, argument) = inside.split_once(' ').unwrap_or((inside, ""));
        let millis = || argument.trim().parse().ok().map(|ms| Duration::from_millis(ms).min(LONGEST));
        let step = match word {
            "say" => Some(Step::Say(argument.to_owned())),
            "think" => Some(Step::Think(argument.to_owned())),
            "words" => argument.trim().parse().ok().map(|count: u64| Step::Words(count.min(MOST_WORDS))),
            "rate" => millis().map(Step::Rate),
            "sleep" => millis().map(Step::Sleep),
            "look" => Some(Step::Look),
            "read" => Some(Step::Read(argument.trim().to_owned())),
            "write" => argument
                .split_once(' ')
                .map(|(path, text)| Step::Write { path: path.to_owned(), text: format!("{text}\n") }),
            "die" => Some(Step::Die),
            _ => None,
        };
        steps.extend(step);
    }
    steps
}

/// The first word that looks like a file's name: with a dot in it, or in quotes.
fn file_name(prompt: &str) -> Option<String> {
    let looks = |word: &str| {
        let (name, ending) = word.rsplit_once('.').unwrap_or((word, ""));
        !name.is_empty()
            && (1..=8).contains(&ending.len())
            && ending.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && !word.starts_with('/')
            && !word.contains("..")
    };
    let trim = |word: &str| {
        word.trim_matches(|c: char| !c.is_alphanumeric() && !"._-/".contains(c)).trim_end_matches('.').to_owned()
    };
    prompt.split_whitespace().map(trim).find(|word| looks(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_are_understood() {
        let none = History::default();
        let writes = |prompt: &str| {
            understand(prompt, &none)
                .into_iter()
                .find_map(|step| if let Step::Write { path, text } = step { Some((path, text)) } else { None })
        };
        assert_eq!(writes("Please create a file notes.md."), writes("please CREATE notes.md"));
        assert_eq!(
            writes("create a file `a/b.txt` that says \"one two\"").unwrap(),
            ("a/b.txt".into(), "one two\n".into())
        );
        assert_eq!(writes("write hello.txt with the text good morning").unwrap().1, "good morning\n");
        assert_eq!(writes("write a poem"), None);
        assert_eq!(writes("create ../../etc/passwd.txt"), None);
        assert!(understand("show me README.md", &none).contains(&Step::Read("README.md".into())));
        assert!(understand("what files are there?", &none).contains(&Step::Look));
        assert!(matches!(&understand("hello", &none)[..], [Step::Say(said)] if said.contains("demo")));
        assert_eq!(understand("tell me a story", &none).len(), 6);
    }

    #[test]
    fn directives_go_before_everything() {
        let steps = understand(
            "create x.txt [[rate 5]] and [[words 3]] [[what]] [[write a.txt one two]] [[say so]] [[die]] [[open",
            &History::default(),
        );
        assert_eq!(
            steps,
            [
                Step::Rate(Duration::from_millis(5)),
                Step::Words(3),
                Step::Write { path: "a.txt".into(), text: "one two\n".into() },
                Step::Say("so".into()),
                Step::Die,
            ]
        );
    }
}
