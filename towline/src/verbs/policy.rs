//! `policy`: what the policy of this machine says, and what it would say. Nothing needs to run for it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use host::consent::{Act, Choice, KEYS, Mistake, Policy, PolicyRule, TOOLS, Why, explain};
use protocol::approval::ApprovalKind;
use protocol::item::ToolKind;
use serde::Serialize;

use crate::cli::PolicyTest;
use crate::config::Settings;
use crate::data_dir::DataDir;
use crate::env::Env;
use crate::error::{CommandError, Kind};
use crate::output::{Output, Style, printable};
use crate::verbs::edited_file::Edited;

/// The exit code of an ask.
const ASK: u8 = 6;

/// What `policy test --json` prints; stable.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Tested {
    /// `allow`, `ask` or `deny`.
    decision: &'static str,
    /// `rule`, `no_rule`, `no_policy` or `broken`.
    why: &'static str,
    /// The file; null when there is no place for one.
    file: Option<PathBuf>,
    /// Where the rule begins, or the first mistake is.
    line: Option<usize>,
    /// What the rule's reason is, or the mistake.
    reason: Option<String>,
}

fn read(settings: &Settings) -> (Option<PathBuf>, Policy) {
    let file = settings.policy_file.clone();
    let policy = file.as_deref().map_or(Policy::None, Policy::read);
    (file, policy)
}

/// Says what the policy would decide, and by which line of it. Ends with 0 for allow, 6 for ask, 5 for deny, 3 for a file that is
/// not right, by which everything is asked.
pub(crate) fn test(
    wish: &PolicyTest,
    settings: &Settings,
    dir: &DataDir,
    env: &Env,
    out: Output,
) -> Result<(), CommandError> {
    let (file, policy) = read(settings);
    let (choice, why) = explain(&policy, &act(wish, dir, env)?);
    let (word, line, reason) = match &why {
        Why::Policy { line, reason, .. } => ("rule", Some(*line), reason.clone()),
        Why::Broken { first, .. } => ("broken", Some(first.line), Some(first.what.clone())),
        Why::NoRule | Why::ForPeople if policy == Policy::None => ("no_policy", None, None),
        Why::NoRule | Why::ForPeople => ("no_rule", None, None),
    };
    let tested = Tested { decision: choice.word(), why: word, file: file.clone(), line, reason: reason.clone() };
    out.either(&tested, || {
        let style = match choice {
            Choice::Allow => Style::Good,
            Choice::Ask => Style::Warning,
            Choice::Deny => Style::Bad,
        };
        let place = file.map_or_else(|| "a policy".to_owned(), |file| file.display().to_string());
        let because = match (word, line) {
            ("rule", Some(line)) => format!("{place}:{line}"),
            ("broken", Some(line)) => format!("{place}:{line} is not right, so everything is asked"),
            ("no_policy", _) => format!("there is no {place}; people and their standing rules decide"),
            _ => format!("no rule of {place} is about this; people and their standing rules decide"),
        };
        let reason = reason.map(|reason| format!("  {reason}")).unwrap_or_default();
        format!("{}  {}", out.paint(style, choice.word()), printable(&format!("{because}{reason}")))
    })?;
    match (choice, word) {
        (_, "broken") => Err(CommandError::told(Kind::Config.code())),
        (Choice::Allow, _) => Ok(()),
        (Choice::Ask, _) => Err(CommandError::told(ASK)),
        (Choice::Deny, _) => Err(CommandError::told(Kind::Denied.code())),
    }
}

/// What the words on the command line would be, were an agent to ask for it.
fn act(wish: &PolicyTest, dir: &DataDir, env: &Env) -> Result<Act, CommandError> {
    let tool = TOOLS.iter().find(|(word, ..)| *word == wish.tool).map(|(_, tool, _)| *tool);
    let tool = tool.ok_or_else(|| {
        let all: Vec<&str> = TOOLS.iter().map(|(word, ..)| *word).collect();
        CommandError::say(Kind::Usage, format!("there is no tool `{}`", wish.tool))
            .hint(format!("One of: {}.", all.join(", ")))
    })?;
    let (project, root) = project(wish.project.as_deref(), dir, env)?;
    let said = vec![wish.command.clone()];
    let (commands, paths) = match tool {
        ToolKind::Execute => (vec![host::consent::shell::unwrapped(&wish.command)], Vec::new()),
        ToolKind::Read | ToolKind::Edit | ToolKind::Delete | ToolKind::Move | ToolKind::Search => (Vec::new(), said),
        _ => (Vec::new(), Vec::new()),
    };
    Ok(Act {
        kind: ApprovalKind::Permission,
        agent: wish.agent.clone(),
        tool,
        name: wish.name.clone().unwrap_or_default(),
        commands,
        paths,
        guessed: Vec::new(),
        places: Vec::new(),
        project,
        root,
        home: env.home.clone(),
    })
}

fn project(named: Option<&str>, dir: &DataDir, env: &Env) -> Result<(String, PathBuf), CommandError> {
    let name_of = |path: &Path| path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let Some(named) = named else {
        let here = env.current_dir.as_ref().and_then(|here| here.canonicalize().ok());
        let here = here.ok_or_else(|| {
            CommandError::say(Kind::Usage, "there is no current directory").hint("Say which project: --project NAME.")
        })?;
        return Ok((name_of(&here), here));
    };
    let path =
        host::consent::paths::meant(named, env.current_dir.as_deref().unwrap_or(Path::new("/")), env.home.as_deref());
    let known = dir.projects()?.paths.into_iter().find(|path| name_of(path) == named);
    let found = known.or_else(|| path.canonicalize().ok().filter(|real| real.is_dir()));
    let found = found.ok_or_else(|| {
        CommandError::say(Kind::Usage, format!("there is no project and no directory `{named}`"))
            .hint("`towline projects` lists the projects.")
    })?;
    Ok((name_of(&found), found))
}

/// One line of `policy show --json`; stable.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    file: &'a Path,
    line: usize,
    /// `allow`, `ask`, `deny`, or `mistake`.
    decision: &'static str,
    /// What it is about, or what is wrong.
    about: String,
    reason: Option<&'a str>,
}

/// Prints the policy as it is understood.
pub(crate) fn show(settings: &Settings, out: Output) -> Result<(), CommandError> {
    let (place, policy) = read(settings);
    match &policy {
        Policy::None if out.json => Ok(()),
        Policy::None => out.line(match place {
            Some(file) => printable(&format!(
                "There is no {}: people and their standing rules decide.\n`towline policy reference` says what can stand in it.",
                file.display()
            )),
            None => "There is no home directory for a policy; `host.policy_file` names one.".to_owned(),
        }),
        Policy::Broken { file, mistakes } => {
            for mistake in mistakes {
                let about = mistake.what.clone();
                let row = Shown { file, line: mistake.line, decision: "mistake", about, reason: None };
                out.either(&row, || printable(&format!("{}:{}  {}", file.display(), mistake.line, mistake.what)))?;
            }
            Err(CommandError::say(Kind::Config, format!("the policy {} is not right", file.display()))
                .hint("Until it is, everything is asked, whatever standing rules there are."))
        }
        Policy::Rules { file, rules } => {
            if !out.json {
                out.line(printable(&format!("file: {}\n", file.display())))?;
            }
            rules.iter().try_for_each(|rule| {
                let reason = rule.reason.as_deref();
                let row = Shown { file, line: rule.line, decision: rule.decision.word(), about: about(rule), reason };
                out.either(&row, || {
                    let reason = reason.map(|reason| format!("  ({reason})")).unwrap_or_default();
                    printable(&format!("{:>4}  {:<5}  {}{reason}", rule.line, rule.decision.word(), about(rule)))
                })
            })
        }
    }
}

/// What a policy begins with in an editor: it says what there is, and allows nothing by itself.
const BEGINNING: &str = "\
# What agents may do on this machine without asking, what a person must be asked each time, and what is refused.
# Deny beats ask beats allow. What no rule is about is asked. `towline policy reference` says what can stand here;
# `towline policy test \"COMMAND\"` says what would be decided.

# [[rule]]
# decision = \"allow\"
# command = [\"cargo test\", \"git status\", \"git diff\"]

# [[rule]]
# decision = \"deny\"
# command = \"git push\"
# reason = \"releases are made by people\"
";

/// Lets a person edit a copy of the policy, and puts it in place if it is right.
pub(crate) fn edit(settings: &Settings, env: &Env, out: Output) -> Result<(), CommandError> {
    let path = settings.policy_file.as_deref().ok_or_else(|| {
        CommandError::say(Kind::Config, "there is no home directory to keep a policy in")
            .hint("Say which file: `host.policy_file` in the configuration.")
    })?;
    let text_of = |file: &Path| {
        std::fs::read_to_string(file).map_err(|error| {
            CommandError::new(Kind::Config, error).during(format!("cannot read the policy {}", file.display()))
        })
    };
    let old = path.symlink_metadata().is_ok().then(|| text_of(path)).transpose()?;
    let file = Edited {
        path,
        old,
        example: BEGINNING.to_owned(),
        read: &text_of,
        // As it is read for a decision: whatever is too large for that is not right either.
        check: &|draft, _| match Policy::read(draft) {
            Policy::Broken { mistakes, .. } => Err(wrong(draft, &mistakes)),
            Policy::None | Policy::Rules { .. } => Ok(()),
        },
        verb: "towline policy edit",
        counts: "It counts at once.",
    };
    file.edit(env, out)
}

fn wrong(file: &Path, mistakes: &[Mistake]) -> CommandError {
    let all: Vec<String> =
        mistakes.iter().map(|mistake| format!("  line {}: {}", mistake.line, printable(&mistake.what))).collect();
    CommandError::say(Kind::Config, format!("the policy {} is not right\n{}", file.display(), all.join("\n")))
}

/// What a rule is about, in words.
fn about(rule: &PolicyRule) -> String {
    let tools: Vec<String> = rule
        .tools
        .iter()
        .map(|tool| TOOLS.iter().find(|(_, known, _)| known == tool).map_or("other", |(word, ..)| word).to_owned())
        .collect();
    let commands: Vec<String> = rule
        .commands
        .iter()
        .map(|words| format!("`{}{}`", words.join(" "), if rule.exact { "" } else { " …" }))
        .collect();
    let parts = [
        ("", &tools),
        ("named ", &rule.names),
        ("", &commands),
        ("at ", &rule.paths),
        ("in ", &rule.projects),
        ("by ", &rule.agents),
    ];
    let said: Vec<String> = parts
        .into_iter()
        .filter(|(_, all)| !all.is_empty())
        .map(|(word, all)| format!("{word}{}", all.join(" or ")))
        .collect();
    if said.is_empty() { "everything".to_owned() } else { said.join(", ") }
}

/// The reference page, as Markdown.
pub(crate) fn reference(out: Output) -> Result<(), CommandError> {
    let mut page = "# The policy of a machine\n\n\
        <!-- Made from `host/src/consent/policy/parse.rs` by `cargo xtask gen`; a stale file fails a test. -->\n\n\
        A policy says what agents may do on a machine without asking, what a person must be asked each time, and what is refused without\n\
        asking. It is one TOML file, `policy.toml` beside the configuration (usually `~/.config/towline/policy.toml`; `host.policy_file` names\n\
        another). Towline needs none: without it, people decide, and the standing rules that they made with an answer.\n\n\
        - **Deny beats ask beats allow**, wherever in the file they stand. What no rule is about is asked, or answered by a standing rule.\n\
        - What the policy **denies**, nobody can allow from a device. What it **asks**, a person is asked each time.\n\
        - It is read anew **for each decision**. A file that is not right allows nothing: then everything is asked, whatever standing rules\n\
        \x20 there are, and each question says so.\n\
        - **In every doubt a person is asked.** To allow, a command must be plain words to its end, and every file must really be where the rule\n\
        \x20 says. To ask or deny, it is enough that it seems so.\n\
        - It works on what an agent asks. What a vendor's program does without asking, by its own settings or in a mode that never asks, no\n\
        \x20 policy sees. Nor is it a wall: who may run a program can hide another in it.\n\n\
        `towline policy test \"COMMAND\"` says what would be decided and by which line; it ends with 0 for allow, 6 for ask, 5 for deny, and 3 when\n\
        the file is not right. `towline policy show` prints the rules as they are understood.\n\n\
        ```toml\n\
        [[rule]]\n\
        decision = \"allow\"\n\
        command = [\"npm test\", \"cargo test\", \"git status\", \"git diff\"]\n\n\
        [[rule]]\n\
        decision = \"allow\"\n\
        tool = \"edit\"\n\
        path = [\"src\", \"tests\"]\n\n\
        [[rule]]\n\
        decision = \"ask\"\n\
        command = \"npm install\"\n\n\
        [[rule]]\n\
        decision = \"deny\"\n\
        command = [\"git push\", \"npm publish\"]\n\
        reason = \"releases are made by people\"\n\n\
        [[rule]]\n\
        decision = \"deny\"\n\
        path = [\".env\", \"~/.ssh\"]\n\
        ```\n\n\
        ## The keys of a rule\n\n\
        A rule is about something when every key of it is. Unknown keys and values are refused, with their line.\n"
        .to_owned();
    for key in KEYS {
        let _ = writeln!(
            page,
            "\n### `{}`\n\n{}\n\n- Value: {}\n\n```toml\n{} = {}\n```",
            key.name, key.about, key.shape, key.name, key.example
        );
    }
    page.push_str("\n## The sorts of tools\n\n| `tool` | what it does |\n|---|---|\n");
    for (word, _, about) in TOOLS {
        let _ = writeln!(page, "| `{word}` | {about} |");
    }
    out.raw(&page)
}
