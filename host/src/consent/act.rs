//! What an agent asks to do, in the terms in which rules and policies speak, whatever the vendor.

use std::path::{Path, PathBuf};

use protocol::approval::{ApprovalContent, ApprovalKind};
use protocol::item::{ToolCall, ToolKind};
use serde_json::Value;

use super::{paths, shell};

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
    /// The files, as the agent names them.
    pub paths: Vec<String>,
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
            paths: Vec::new(),
            project: project.0,
            root: project.1,
            home,
        };
        let Some(call) = call else { return act };
        let input: Value = serde_json::from_str(&call.input).unwrap_or_default();
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
        act.paths.extend(
            ["path", "file_path", "notebook_path", "abs_path", "old_path", "new_path"]
                .iter()
                .filter_map(|key| input.get(key).and_then(Value::as_str).map(str::to_owned)),
        );
        if is_of_files(tool) && !content.detail.is_empty() {
            act.paths.extend(content.detail.lines().map(str::to_owned));
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

    /// The files as they really are; `None` when there is none, or a doubt about one. Blocks on the disk.
    pub(crate) fn real_paths(&self) -> Option<Vec<PathBuf>> {
        let real = |text: &String| paths::real(&paths::meant(text, &self.root, self.home.as_deref()));
        let all: Option<Vec<PathBuf>> = self.paths.iter().map(real).collect();
        all.filter(|all| !all.is_empty())
    }

    /// Every path that it may touch, as written and as it really is: its files, and the words of its commands. Blocks on the disk.
    pub(crate) fn touched(&self) -> Vec<PathBuf> {
        let words = self.commands.iter().flat_map(|command| shell::words_of(command));
        let mut all = Vec::new();
        for text in self.paths.iter().cloned().chain(words) {
            let text = text.rsplit('=').next().unwrap_or_default().to_owned();
            let meant = paths::meant(&text, &self.root, self.home.as_deref());
            all.extend(paths::real(&meant));
            all.push(paths::tidied(&meant));
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

/// Whether a tool is about files that it names.
pub(crate) const fn is_of_files(tool: ToolKind) -> bool {
    matches!(tool, ToolKind::Read | ToolKind::Edit | ToolKind::Delete | ToolKind::Move)
}
