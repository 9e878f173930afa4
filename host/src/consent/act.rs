//! What an agent asks to do, in the terms in which rules and policies speak, whatever the vendor.

use std::path::{Path, PathBuf};

use protocol::approval::{ApprovalContent, ApprovalKind};
use protocol::item::{ToolCall, ToolKind};
use serde_json::Value;

use super::{paths, shell};

/// Keys of an input that name a file, in lower case and without signs in between.
const FILE_KEYS: &[&str] =
    &["abspath", "absolutepath", "filepath", "newpath", "notebookpath", "oldpath", "path", "targetfile"];

/// Keys of an input that say where a command runs, in the same form.
const PLACE_KEYS: &[&str] = &[
    "currentdir",
    "currentdirectory",
    "cwd",
    "dir",
    "directory",
    "dirpath",
    "workdir",
    "workingdir",
    "workingdirectory",
];

/// Longest text of an input that may be the name of a file, in bytes: the longest path of most systems.
const MAX_NAME: usize = 4096;

/// What an agent asks to do.
#[derive(Debug, Clone)]
pub struct Act {
    /// What sort of decision it is: only a permission is ever decided by a rule or a policy.
    pub kind: ApprovalKind,
    /// The agent, as commands name it.
    pub agent: String,
    /// What sort of tool; `other` when nothing is known of the call.
    pub tool: ToolKind,
    /// The agent's own name of the tool; empty when nothing is known of the call.
    pub name: String,
    /// The command, in each form in which the agent says it: all of them must be allowed, one that is refused is enough.
    pub commands: Vec<String>,
    /// The directories in which it runs, as the agent says them: all of them must be where a rule holds. None means the project's.
    pub places: Vec<PathBuf>,
    /// The files, as the agent names them.
    pub paths: Vec<String>,
    /// What may be files of a call that names none beyond doubt: it counts against the call and never for it.
    pub guessed: Vec<String>,
    /// What the project is called.
    pub project: String,
    /// The directory of the project, canonical.
    pub root: PathBuf,
    /// The home directory.
    pub home: Option<PathBuf>,
}

impl Act {
    /// What an ask is about, with what is known of its tool call.
    pub(crate) fn of(
        kind: ApprovalKind,
        agent: &str,
        content: &ApprovalContent,
        call: Option<&ToolCall>,
        project: (String, PathBuf),
        home: Option<PathBuf>,
    ) -> Self {
        let (tool, name) = call.map_or((ToolKind::Other, String::new()), |call| (call.tool, call.name.clone()));
        let mut act = Self {
            kind,
            agent: agent.to_owned(),
            tool,
            name,
            commands: Vec::new(),
            places: Vec::new(),
            paths: Vec::new(),
            guessed: Vec::new(),
            project: project.0,
            root: project.1,
            home,
        };
        if !content.place.is_empty() {
            act.places.push(paths::meant(&content.place, &act.root, act.home.as_deref()));
        }
        let Some(call) = call else { return act };
        let input: Value = serde_json::from_str(&call.input).unwrap_or_default();
        let from = act.places.first().unwrap_or(&act.root).clone();
        for place in values(&input, PLACE_KEYS).filter(|place| !place.is_null() && *place != "") {
            // What is no text names no place, which is a doubt.
            let place = place.as_str().map(|place| paths::meant(place, &from, act.home.as_deref()));
            act.places.push(place.unwrap_or_default());
        }
        if let Some(command) = ["command", "cmd", "script"].iter().find_map(|key| input.get(key)) {
            let command = match command {
                Value::Array(words) => words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            act.add_command(&command);
        }
        if tool == ToolKind::Execute {
            act.add_command(&content.detail);
            return act;
        }
        act.paths.extend(call.locations.iter().map(|at| at.path.clone()));
        act.paths.extend(call.diffs.iter().map(|edit| edit.path.clone()));
        act.paths.extend(values(&input, FILE_KEYS).filter_map(Value::as_str).map(str::to_owned));
        // What people are shown may be a title or the whole input, neither of which is a path.
        if act.paths.is_empty() && is_of_files(tool) {
            guess(&input, &mut act.guessed);
            act.guessed.extend(content.detail.split_whitespace().map(str::to_owned));
        }
        act.paths.sort();
        act.paths.dedup();
        act
    }

    fn add_command(&mut self, command: &str) {
        let command = shell::unwrapped(command);
        if !command.is_empty() && !self.commands.contains(&command) {
            self.commands.push(command);
        }
    }

    /// Whether it runs something, whatever the agent calls it.
    pub(crate) fn runs(&self) -> bool {
        self.tool == ToolKind::Execute || !self.commands.is_empty()
    }

    /// Whether it runs inside the project, beyond doubt, and not in a directory that is kept from rules. Blocks on the disk.
    pub(crate) fn runs_inside(&self) -> bool {
        let inside = |real: &PathBuf| paths::inside(real, &self.root) && !paths::is_kept(real, &self.root);
        self.places.iter().all(|place| paths::real(place).as_ref().is_some_and(inside))
    }

    /// The files as they really are; `None` when there is none, or a doubt about one. Blocks on the disk.
    pub(crate) fn real_paths(&self) -> Option<Vec<PathBuf>> {
        // A path without a letter would be the project's directory.
        let named = |text: &&String| !text.is_empty();
        let real = |text: &String| {
            Some(text).filter(named).and_then(|text| paths::real(&paths::meant(text, &self.root, self.home.as_deref())))
        };
        let all: Option<Vec<PathBuf>> = self.paths.iter().map(real).collect();
        all.filter(|all| !all.is_empty())
    }

    /// Every path that it may touch, as written and as it really is: its files, the directories in which it runs, and from there the
    /// words of its commands. Blocks on the disk.
    pub(crate) fn touched(&self) -> Vec<PathBuf> {
        let words = self.commands.iter().flat_map(|command| shell::words_of(command));
        let mut all = Vec::new();
        let mut add = |meant: &Path| {
            all.extend(paths::real(meant));
            all.push(paths::tidied(meant));
        };
        self.places.iter().for_each(|place| add(place));
        for text in self.paths.iter().chain(&self.guessed).cloned().chain(words) {
            let text = text.rsplit('=').next().unwrap_or_default();
            for from in std::iter::once(&self.root).chain(self.places.iter().filter(|place| **place != self.root)) {
                add(&paths::meant(text, from, self.home.as_deref()));
            }
        }
        all
    }

    /// Why it looks dangerous, in words. Blocks on the disk.
    pub(crate) fn danger(&self) -> Option<String> {
        if let Some(why) = self.commands.iter().find_map(|command| shell::danger(command)) {
            return Some(why.to_owned());
        }
        if self.tool == ToolKind::Delete {
            return Some("it removes files".to_owned());
        }
        if !matches!(self.tool, ToolKind::Edit | ToolKind::Move) {
            return None;
        }
        let real = self.real_paths()?;
        let outside = |path: &PathBuf| !paths::inside(path, &self.root);
        if real.iter().any(outside) {
            return Some("it changes files outside of the project".to_owned());
        }
        let kept = |path: &PathBuf| paths::is_kept(path, &self.root);
        real.iter().any(kept).then(|| "it changes files that decide what runs".to_owned())
    }

    /// The path below the project's directory, as people write it.
    pub(crate) fn below(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).display().to_string()
    }
}

/// The values of an input whose keys are some of these, however they are spelled: `file_path` is `filePath`.
fn values<'a>(input: &'a Value, keys: &'static [&'static str]) -> impl Iterator<Item = &'a Value> {
    let plain = |key: &str| key.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let all = input.as_object().into_iter().flatten();
    all.filter(move |(key, _)| keys.contains(&plain(key).as_str())).map(|(_, value)| value)
}

/// Every text of an input that could be the name of a file.
fn guess(input: &Value, found: &mut Vec<String>) {
    match input {
        Value::String(text) if text.len() <= MAX_NAME && !text.contains('\n') => found.push(text.clone()),
        Value::Array(all) => all.iter().for_each(|value| guess(value, found)),
        Value::Object(all) => all.values().for_each(|value| guess(value, found)),
        _ => {}
    }
}

/// Whether a tool is about files that it names.
pub(crate) const fn is_of_files(tool: ToolKind) -> bool {
    matches!(tool, ToolKind::Read | ToolKind::Edit | ToolKind::Delete | ToolKind::Move)
}

#[cfg(test)]
mod tests {
    use protocol::item::Location;

    use super::super::policy::{Choice, Policy, parse};
    use super::super::rules::covers;
    use super::*;
    use protocol::rule::RuleScope;
    use serde_json::json;

    /// What an agent asks in `/p`, shown with a detail, at a place.
    fn asked(call: &ToolCall, detail: &str, place: &str) -> Act {
        let content =
            ApprovalContent { detail: detail.to_owned(), place: place.to_owned(), ..ApprovalContent::default() };
        let project = ("api".to_owned(), PathBuf::from("/p"));
        Act::of(ApprovalKind::Permission, "some", &content, Some(call), project, Some(PathBuf::from("/home/ann")))
    }

    fn decided(text: &str, act: &Act) -> Option<Choice> {
        let policy = Policy::Rules { file: PathBuf::new(), rules: parse(text).unwrap() };
        policy.rule_for(act).map(|rule| rule.decision)
    }

    const EDITS: &str = "[[rule]]\ndecision = \"allow\"\ntool = \"edit\"\n";

    #[test]
    fn an_edit_that_names_no_file_is_asked() {
        let anywhere = RuleScope::Path { tool: ToolKind::Edit, path: "/p".to_owned() };
        let edit = |input: Value, title: &str| ToolCall {
            tool: ToolKind::Edit,
            title: title.to_owned(),
            input: if input.is_null() { String::new() } else { input.to_string() },
            ..ToolCall::default()
        };
        let nameless = [
            edit(Value::Null, "Edit /etc/passwd"),
            edit(Value::Null, "a.rs"),
            edit(json!({ "target": "/etc/passwd" }), "Edit"),
            edit(json!({ "target": "a.rs" }), "Edit"),
        ];
        for call in &nameless {
            let shown = if call.input.is_empty() { call.title.clone() } else { call.input.clone() };
            let act = asked(call, &shown, "/p");
            assert_eq!(act.paths, Vec::<String>::new(), "{shown}");
            assert_eq!((decided(EDITS, &act), covers(&anywhere, &act)), (None, false), "{shown}");
        }
        // What it seems to name counts against it all the same.
        let deny = "[[rule]]\ndecision = \"deny\"\npath = \"/etc\"\n";
        for call in [&nameless[0], &nameless[2]] {
            assert_eq!(decided(deny, &asked(call, &call.title, "/p")), Some(Choice::Deny), "{}", call.title);
        }
        // A key for files is known however it is spelled.
        for key in ["path", "filePath", "file_path", "filepath", "absolute_path", "absolutePath", "notebook_path"] {
            let inside = asked(&edit(json!({ key: "/p/a.rs" }), "Edit"), "{}", "/p");
            assert_eq!((decided(EDITS, &inside), covers(&anywhere, &inside)), (Some(Choice::Allow), true), "{key}");
            let outside = asked(&edit(json!({ key: "/etc/passwd" }), "Edit"), "{}", "/p");
            assert_eq!((decided(EDITS, &outside), covers(&anywhere, &outside)), (None, false), "{key}");
            assert_eq!(decided(deny, &outside), Some(Choice::Deny), "{key}");
        }
        // A location without a path is a doubt, not the project's directory.
        let at = |path: &str| Location { path: path.to_owned(), line: None };
        let half = ToolCall { locations: vec![at(""), at("a.rs")], ..edit(Value::Null, "Edit") };
        assert_eq!(
            (decided(EDITS, &asked(&half, "", "/p")), covers(&anywhere, &asked(&half, "", "/p"))),
            (None, false)
        );
        let whole = ToolCall { locations: vec![at("a.rs")], ..half };
        assert_eq!(decided(EDITS, &asked(&whole, "", "/p")), Some(Choice::Allow));
        // Words in a text that is to be replaced name nothing where the file is known.
        let text = edit(json!({ "file_path": "a.rs", "old_string": "/etc" }), "Edit");
        assert_eq!(decided(deny, &asked(&text, "", "/p")), None);
    }

    #[test]
    fn a_command_is_allowed_only_where_its_rule_holds() {
        let rule = RuleScope::Command { words: vec!["npm".to_owned(), "test".to_owned()], exact: false };
        let exact = RuleScope::Command { words: vec!["npm".to_owned(), "test".to_owned()], exact: true };
        let allow = "[[rule]]\ndecision = \"allow\"\ncommand = \"npm test\"\n";
        let all = "[[rule]]\ndecision = \"allow\"\ntool = \"execute\"\n";
        let run = |more: Value| {
            let mut input = json!({ "command": "npm test" });
            if let (Some(input), Value::Object(more)) = (input.as_object_mut(), more) {
                input.extend(more);
            }
            ToolCall { tool: ToolKind::Execute, input: input.to_string(), ..ToolCall::default() }
        };
        let allowed = |act: &Act| {
            let said =
                [covers(&rule, act), covers(&exact, act), decided(allow, act).is_some(), decided(all, act).is_some()];
            assert!(said.iter().all(|it| *it == said[0]), "{said:?} {act:?}");
            said[0]
        };
        for (place, more) in [
            ("/p", json!({})),
            ("/p/web", json!({})),
            ("", json!({})),
            ("/p", json!({ "cwd": "/p/web" })),
            ("/p", json!({ "workdir": "web" })),
            ("/p", json!({ "cwd": null, "dir_path": "" })),
        ] {
            assert!(allowed(&asked(&run(more.clone()), "npm test", place)), "{place} {more}");
        }
        for (place, more) in [
            ("/tmp/evil", json!({})),
            ("/p/../tmp/evil", json!({})),
            ("~", json!({})),
            ("/p/.git/hooks", json!({})),
            ("/pp", json!({})),
            ("/p", json!({ "cwd": "/tmp/evil" })),
            ("/p", json!({ "workdir": "../evil" })),
            ("/p", json!({ "directory": "/tmp/evil" })),
            ("/p", json!({ "workingDirectory": "/tmp/evil" })),
            ("/p", json!({ "dir_path": "~/evil" })),
            ("/p", json!({ "cwd": ["/p"] })),
            // One of two is enough for a doubt.
            ("/tmp/evil", json!({ "cwd": "/p" })),
        ] {
            assert!(!allowed(&asked(&run(more.clone()), "npm test", place)), "{place} {more}");
        }
        let deny = |what: &str| format!("[[rule]]\ndecision = \"deny\"\n{what}\n");
        let away = asked(&run(json!({})), "npm test", "/tmp/evil");
        assert_eq!(decided(&deny("command = \"npm test\""), &away), Some(Choice::Deny), "wherever it runs");
        let cat = ToolCall {
            tool: ToolKind::Execute,
            input: json!({ "command": "cat id_rsa", "cwd": "/home/ann/.ssh" }).to_string(),
            ..ToolCall::default()
        };
        for path in ["~/.ssh", "~/.ssh/id_rsa"] {
            let denied = decided(&deny(&format!("path = \"{path}\"")), &asked(&cat, "cat id_rsa", "/p"));
            assert_eq!(denied, Some(Choice::Deny), "{path}, from where it runs");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_command_runs_where_a_link_leads() {
        let world = tempfile::tempdir().unwrap();
        let root = world.path().canonicalize().unwrap().join("api");
        std::fs::create_dir_all(root.join("web")).unwrap();
        std::os::unix::fs::symlink(world.path(), root.join("out")).unwrap();
        let rule = RuleScope::Command { words: vec!["npm".to_owned(), "test".to_owned()], exact: false };
        let call = ToolCall { tool: ToolKind::Execute, ..ToolCall::default() };
        let covered = |below: &str| {
            let mut act = asked(&call, "npm test", root.join(below).to_str().unwrap());
            act.root.clone_from(&root);
            covers(&rule, &act)
        };
        assert!(covered("web") && covered("new"));
        assert!(!covered("out"), "a link leads away");
    }
}
