//! The policy's file: TOML, a list of `[[rule]]`, every mistake with its line.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use protocol::item::ToolKind;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Choice, PolicyRule};
use crate::consent::shell;

/// Most rules of a file: more is no policy that a person can keep in mind.
const MAX_RULES: usize = 1000;

/// Something that is wrong with a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

/// A key of a rule, for the reference.
#[derive(Debug, Clone, Copy)]
pub struct PolicyKey {
    /// What is written.
    pub name: &'static str,
    /// What it may be.
    pub shape: &'static str,
    /// What it does.
    pub about: &'static str,
    /// A value, as TOML.
    pub example: &'static str,
}

/// The sorts of tools, as they are written.
pub const TOOLS: [(&str, ToolKind, &str); 11] = [
    ("read", ToolKind::Read, "reads files"),
    ("edit", ToolKind::Edit, "writes or changes files"),
    ("delete", ToolKind::Delete, "removes files"),
    ("move", ToolKind::Move, "moves files"),
    ("search", ToolKind::Search, "searches files"),
    ("execute", ToolKind::Execute, "runs a command"),
    ("fetch", ToolKind::Fetch, "reaches out to the web"),
    ("think", ToolKind::Think, "thinks"),
    ("task", ToolKind::Task, "runs a sub-agent"),
    ("ask", ToolKind::Ask, "asks a person"),
    ("other", ToolKind::Other, "anything else, and everything of which nothing is known"),
];

/// Every key of a rule: the reading below and the reference page are made of it.
pub const KEYS: [PolicyKey; 9] = [
    PolicyKey {
        name: "decision",
        shape: "`\"allow\"`, `\"ask\"` or `\"deny\"`; needed",
        about: "What happens: it is done without asking; a person is asked each time, whatever standing rules there are; or it is refused without asking, and nobody can allow it from a device.",
        example: "\"deny\"",
    },
    PolicyKey {
        name: "tool",
        shape: "a sort of tool, or a list of them; without it, all",
        about: "The sort of tool, as the agent names it.",
        example: "\"execute\"",
    },
    PolicyKey {
        name: "name",
        shape: "a name, or a list of them; without it, all",
        about: "The agent's own name of the tool, to the letter, such as `WebFetch` or `mcp__github__create_issue`.",
        example: "[\"WebFetch\", \"WebSearch\"]",
    },
    PolicyKey {
        name: "command",
        shape: "the first words of a command, or a list of such; without it, all",
        about: "The command, by its first words. To allow, the whole command must be plain words, and run inside the project: anything that the shell reads as more than words is asked, and so is a command that runs in another directory. To ask or deny it is enough, wherever it runs, that the command seems to run it somewhere: behind `&&`, in `$(…)`, in `bash -c '…'`, behind `sudo`, `env`, `if` or `while`. Options behind the first words that run or write something of their own (`git rebase --exec …`, `git log --output=…`, `git -c …`) are asked, and so are words that name `.git`, `.claude` and others that decide what runs. Programs that run what their arguments say (`bash`, `env`, `find`, `make`, `node`, …) are only allowed with `exact`.",
        example: "[\"npm test\", \"cargo test\"]",
    },
    PolicyKey {
        name: "exact",
        shape: "`true` or `false`; without it, `false`",
        about: "Whether the command must be these words and no more.",
        example: "true",
    },
    PolicyKey {
        name: "path",
        shape: "a file or directory, or a list of them; without it, all",
        about: "The files, and all that is below a directory, from the project's directory or with `~/` or `/` in front. Links are followed: what counts is where a path really leads. To allow, every file must be there; without `path`, everything inside the project; a call that names no file is never allowed by its title. To ask or deny, one is enough, and the directory in which a command runs, its words, and those of a call that names no file count as files too. There are no wildcards.",
        example: "[\".env\", \"~/.ssh\"]",
    },
    PolicyKey {
        name: "project",
        shape: "a name or a directory, or a list of them; without it, all",
        about: "The project, by the name that Towline shows, or by its directory.",
        example: "\"api\"",
    },
    PolicyKey {
        name: "agent",
        shape: "an agent, or a list of them; without it, all",
        about: "The agent, by the name that commands use: `claude`, `codex`, `demo`, or the name of a configured ACP agent.",
        example: "\"claude\"",
    },
    PolicyKey {
        name: "reason",
        shape: "text",
        about: "Why, in words that people and the agent are told.",
        example: "\"releases are made by people\"",
    },
];

type Value<'a> = Spanned<DeValue<'a>>;

/// The rules that a text says.
///
/// # Errors
/// Every mistake in it, by line; then none of it counts.
pub fn parse(text: &str) -> Result<Vec<PolicyRule>, Vec<Mistake>> {
    let line = |at: usize| text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1;
    let mistake = |span: Range<usize>, what: String| Mistake { line: line(span.start), what };
    let table = DeTable::parse(text).map_err(|error| {
        let what = format!("this is not TOML: {}", error.message().replace('\n', "; "));
        vec![mistake(error.span().unwrap_or(0..0), what)]
    })?;
    let (mut rules, mut mistakes) = (Vec::new(), Vec::new());
    for (key, value) in table.get_ref() {
        if key.get_ref() != "rule" {
            mistakes
                .push(mistake(key.span(), format!("there is no `{}`; a policy is a list of [[rule]]", key.get_ref())));
            continue;
        }
        let Some(list) = value.get_ref().as_array() else {
            mistakes.push(mistake(key.span(), "`rule` is a list: write [[rule]], in double brackets".to_owned()));
            continue;
        };
        if list.len() > MAX_RULES {
            mistakes.push(mistake(key.span(), format!("there are more than {MAX_RULES} rules")));
        }
        for entry in list.iter().take(MAX_RULES) {
            match entry.get_ref().as_table() {
                None => mistakes.push(mistake(entry.span(), "a rule is a table: write [[rule]]".to_owned())),
                Some(entries) => match rule(entries, line(entry.span().start)) {
                    Ok(rule) => rules.push(rule),
                    Err(wrong) => mistakes.extend(
                        wrong.into_iter().map(|(span, what)| mistake(span.unwrap_or_else(|| entry.span()), what)),
                    ),
                },
            }
        }
    }
    mistakes.sort_by_key(|mistake| mistake.line);
    if mistakes.is_empty() { Ok(rules) } else { Err(mistakes) }
}

type Wrong = (Option<Range<usize>>, String);

fn rule(entries: &DeTable<'_>, line: usize) -> Result<PolicyRule, Vec<Wrong>> {
    let mut wrong: Vec<Wrong> = Vec::new();
    let mut decision = None;
    let mut rule = PolicyRule {
        line,
        decision: Choice::Ask,
        tools: Vec::new(),
        names: Vec::new(),
        commands: Vec::new(),
        exact: false,
        paths: Vec::new(),
        projects: Vec::new(),
        agents: Vec::new(),
        reason: None,
    };
    for (key, value) in entries {
        let name = key.get_ref().as_ref();
        let read = match name {
            "decision" => one(value).and_then(choice).map(|choice| decision = Some(choice)),
            "tool" => many(value).and_then(|all| each(&all, tool)).map(|tools| rule.tools = tools),
            "name" => many(value).map(|names| rule.names = names),
            "command" => many(value).and_then(|all| each(&all, command)).map(|commands| rule.commands = commands),
            "exact" => value
                .get_ref()
                .as_bool()
                .ok_or_else(|| "expected `true` or `false`".to_owned())
                .map(|exact| rule.exact = exact),
            "path" => many(value).map(|paths| rule.paths = paths),
            "project" => many(value).map(|projects| rule.projects = projects),
            "agent" => many(value).map(|agents| rule.agents = agents),
            "reason" => one(value).map(|reason| rule.reason = Some(reason.to_owned())),
            _ => {
                let all: Vec<&str> = KEYS.iter().map(|key| key.name).collect();
                Err(format!("there is no such key; there are {}", all.join(", ")))
            }
        };
        wrong.extend(read.err().map(|what| (Some(key.span()), format!("`{name}`: {what}"))));
    }
    match decision {
        Some(choice) => rule.decision = choice,
        None if wrong.is_empty() => wrong.push((None, "a rule needs a `decision`".to_owned())),
        None => {}
    }
    let allows = rule.decision == Choice::Allow;
    if allows && !rule.commands.is_empty() && !rule.paths.is_empty() {
        wrong.push((
            None,
            "a rule that allows has `command` or `path`, not both: which files a command touches is not known"
                .to_owned(),
        ));
    }
    if allows
        && !rule.exact
        && let Some(words) = rule.commands.iter().find(|words| shell::is_runner(&words[0]))
    {
        wrong.push((
            None,
            format!(
                "`{}` runs what its arguments say: to allow it, write the whole command and `exact = true`",
                words[0]
            ),
        ));
    }
    if rule.exact && rule.commands.is_empty() {
        wrong.push((None, "`exact` is about a `command`, and there is none".to_owned()));
    }
    if !rule.commands.is_empty() && !rule.tools.is_empty() && !rule.tools.contains(&ToolKind::Execute) {
        wrong.push((None, "`command` is about the tool `execute`, which is not among the tools".to_owned()));
    }
    if wrong.is_empty() { Ok(rule) } else { Err(wrong) }
}

fn one<'a>(value: &'a Value<'_>) -> Result<&'a str, String> {
    let text = value.get_ref().as_str().ok_or_else(|| "expected text in quotes".to_owned())?;
    if text.trim().is_empty() { Err("it is empty".to_owned()) } else { Ok(text) }
}

fn many(value: &Value<'_>) -> Result<Vec<String>, String> {
    let all: Vec<Cow<'_, str>> = match value.get_ref().as_array() {
        Some(list) => list.iter().map(|value| one(value).map(Cow::Borrowed)).collect::<Result<_, _>>()?,
        None => {
            vec![one(value).map(Cow::Borrowed).map_err(|_| "expected text in quotes, or a list of such".to_owned())?]
        }
    };
    // An empty list would take everything, which nobody means by it.
    if all.is_empty() {
        Err("the list is empty".to_owned())
    } else {
        Ok(all.into_iter().map(Cow::into_owned).collect())
    }
}

fn each<T>(all: &[String], read: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    all.iter().map(|text| read(text)).collect()
}

fn choice(text: &str) -> Result<Choice, String> {
    [Choice::Allow, Choice::Ask, Choice::Deny]
        .into_iter()
        .find(|choice| choice.word() == text)
        .ok_or_else(|| "expected \"allow\", \"ask\" or \"deny\"".to_owned())
}

fn tool(text: &str) -> Result<ToolKind, String> {
    let found = TOOLS.iter().find(|(word, ..)| *word == text).map(|(_, tool, _)| *tool);
    found.ok_or_else(|| {
        let all: Vec<&str> = TOOLS.iter().map(|(word, ..)| *word).collect();
        format!("there is no `{text}`; there are {}", all.join(", "))
    })
}

fn command(text: &str) -> Result<Vec<String>, String> {
    shell::simple(text).ok_or_else(|| format!("`{text}` is not plain words; write the first words of one command"))
}
