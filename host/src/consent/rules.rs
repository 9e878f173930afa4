//! Standing rules: which there are, what they allow, and which are offered with an ask.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use protocol::id::{ProjectId, RuleId, SessionId};
use protocol::item::ToolKind;
use protocol::limits::MAX_RULES;
use protocol::port::{HubPort, PortError};
use protocol::rule::{Rule, RuleScope};
use protocol::time::UnixMs;

use super::act::Act;
use super::{paths, shell};
use crate::notes::{self, RuleNote};

/// Most words of a command's beginning that a rule is offered for.
const MAX_WORDS: usize = 4;

/// The standing rules of this host.
#[derive(Debug)]
pub(crate) struct Rules {
    /// Held for moments only, never across an await.
    known: Mutex<BTreeMap<RuleId, Rule>>,
    /// Held by whoever tells the hub of uses, until they are durable: sessions that use one rule at once would otherwise overtake each
    /// other, and a count that is older than what is on disk would be written over it.
    pub(crate) counting: tokio::sync::Mutex<()>,
}

impl Rules {
    /// Reads what was made before.
    ///
    /// # Errors
    /// What the port says.
    pub(crate) async fn load(port: &dyn HubPort) -> Result<Self, PortError> {
        let found = notes::all::<RuleNote>(port, "rule/").await?;
        let id = |key: &str| key.rsplit('/').next().and_then(|id| id.parse::<RuleId>().ok());
        let mut known: BTreeMap<RuleId, Rule> =
            found.into_iter().filter_map(|(key, note)| Some((id(&key)?, note.fact))).collect();
        for (key, used) in notes::all::<RuleNote>(port, "rule-use/").await? {
            if let Some(rule) = id(&key).and_then(|id| known.get_mut(&id)) {
                (rule.uses, rule.used_at_ms) = (used.fact.uses, used.fact.used_at_ms);
            }
        }
        Ok(Self { known: Mutex::new(known), counting: tokio::sync::Mutex::default() })
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<RuleId, Rule>> {
        // Rows are replaced whole, so a poisoned map is still a good one.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those that hold in a session of a project now, the oldest first.
    pub(crate) fn of(&self, project: ProjectId, session: SessionId, now: UnixMs) -> Vec<(RuleId, Rule)> {
        let holds =
            |rule: &Rule| rule.project == project && rule.session.is_none_or(|of| of == session) && !is_over(rule, now);
        self.known().iter().filter(|(_, rule)| holds(rule)).map(|(id, rule)| (*id, rule.clone())).collect()
    }

    /// Takes out those whose time is over.
    pub(crate) fn take_over(&self, now: UnixMs) -> Vec<(RuleId, Rule)> {
        let mut known = self.known();
        let over: Vec<RuleId> = known.iter().filter(|(_, rule)| is_over(rule, now)).map(|(id, _)| *id).collect();
        over.into_iter().filter_map(|id| Some((id, known.remove(&id)?))).collect()
    }

    /// Those of a session alone.
    pub(crate) fn of_session(&self, session: SessionId) -> Vec<RuleId> {
        self.known().iter().filter(|(_, rule)| rule.session == Some(session)).map(|(id, _)| *id).collect()
    }

    /// Whether there is room for one more.
    pub(crate) fn has_room(&self) -> bool {
        self.known().len() < MAX_RULES
    }

    /// Holds from now on.
    pub(crate) fn add(&self, id: RuleId, rule: Rule) {
        self.known().insert(id, rule);
    }

    /// Holds no more.
    pub(crate) fn remove(&self, id: RuleId) {
        self.known().remove(&id);
    }

    /// Whether it was neither revoked nor came to its end meanwhile.
    pub(crate) fn holds(&self, id: RuleId, now: UnixMs) -> bool {
        self.known().get(&id).is_some_and(|rule| !is_over(rule, now))
    }

    /// The rules as they are once these uses are counted, each once; without those that were revoked meanwhile.
    pub(crate) fn with_uses(&self, uses: &[(RuleId, UnixMs)]) -> BTreeMap<RuleId, Rule> {
        let known = self.known();
        let mut counted = BTreeMap::new();
        for (id, at) in uses {
            let Some(rule) = known.get(id) else { continue };
            let rule = counted.entry(*id).or_insert_with(|| rule.clone());
            rule.uses += 1;
            rule.used_at_ms = rule.used_at_ms.max(Some(*at));
        }
        counted
    }

    /// Takes counts that are durable.
    pub(crate) fn count(&self, counted: BTreeMap<RuleId, Rule>) {
        let mut known = self.known();
        for (id, now) in counted {
            if let Some(rule) = known.get_mut(&id) {
                (rule.uses, rule.used_at_ms) = (now.uses, now.used_at_ms);
            }
        }
    }
}

fn is_over(rule: &Rule, now: UnixMs) -> bool {
    rule.expires_at_ms.is_some_and(|end| end <= now)
}

/// Whether a scope allows all that is asked, beyond doubt. What looks dangerous is asked, whatever rules there are. Blocks on the
/// disk.
pub(crate) fn covers(scope: &RuleScope, act: &Act) -> bool {
    match scope {
        RuleScope::Command { words, exact } => {
            act.tool == ToolKind::Execute
                && !act.commands.is_empty()
                && act.runs_inside()
                && act.commands.iter().all(|command| shell::begins(command, words, *exact))
                && act.danger().is_none()
        }
        RuleScope::Path { tool, path } => {
            let path = Path::new(path);
            // The place itself must still be what it was, not a link that took its place.
            let same = path.canonicalize().is_ok_and(|real| real == path) || !path.exists();
            act.tool == *tool
                && !act.runs()
                && same
                && paths::inside(path, &act.root)
                && act.real_paths().is_some_and(|real| {
                    real.iter().all(|file| paths::inside(file, path) && !paths::is_kept(file, &act.root))
                })
                && act.danger().is_none()
        }
        RuleScope::Unknown => false,
    }
}

/// A rule that is offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct New {
    pub(crate) scope: RuleScope,
    /// The scope in words, with how long it holds.
    pub(crate) words: String,
    pub(crate) session: Option<SessionId>,
    pub(crate) expires_at_ms: Option<UnixMs>,
}

/// Which rules are offered with an ask; none for what is dangerous or cannot be understood. Blocks on the disk.
pub(crate) fn offers(act: &Act, session: SessionId, tonight: UnixMs) -> Vec<New> {
    let Some((scope, what)) = scope(act) else { return Vec::new() };
    // What is offered must do what it says: a rule that would not cover this very ask is none.
    if !covers(&scope, act) {
        return Vec::new();
    }
    let offer = |span: &str, session, expires_at_ms| New {
        scope: scope.clone(),
        words: format!("{what}, {span}"),
        session,
        expires_at_ms,
    };
    vec![
        offer("for this session", Some(session), None),
        offer("until tonight", None, Some(tonight)),
        offer("for this project, until revoked", None, None),
    ]
}

fn scope(act: &Act) -> Option<(RuleScope, String)> {
    let place = &act.project;
    match act.tool {
        ToolKind::Execute => {
            let [command] = act.commands.as_slice() else { return None };
            let said = shell::simple(command)?;
            let plain = |word: &&String| {
                !word.is_empty()
                    && word.chars().all(|char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | ':'))
                    && !word.starts_with('-')
            };
            let first = said.iter().take(MAX_WORDS).take_while(plain).count();
            // A program alone says too little of what it will do.
            if first < 2 || shell::is_runner(&said[0]) {
                let words = RuleScope::Command { words: said, exact: true };
                return Some((words, format!("exactly `{command}` in {place}")));
            }
            let words: Vec<String> = said.into_iter().take(first).collect();
            let what = format!("`{} …` in {place}", words.join(" "));
            Some((RuleScope::Command { words, exact: false }, what))
        }
        ToolKind::Edit | ToolKind::Read => {
            let verb = if act.tool == ToolKind::Edit { "edits" } else { "reading" };
            let real = act.real_paths()?;
            let mut parents = real.iter().map(|file| file.parent().map(Path::to_owned));
            let mut directory: PathBuf = parents.next()??;
            for parent in parents {
                let parent = parent?;
                while !paths::inside(&parent, &directory) {
                    directory = directory.parent()?.to_owned();
                }
            }
            if !paths::inside(&directory, &act.root) {
                return None;
            }
            let what = match act.below(&directory) {
                below if below.is_empty() => format!("{verb} anywhere in {place}"),
                below => format!("{verb} in `{below}/` of {place}"),
            };
            Some((RuleScope::Path { tool: act.tool, path: directory.to_str()?.to_owned() }, what))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use protocol::approval::ApprovalKind;

    use super::*;

    fn act(tool: ToolKind, command: Option<&str>, files: &[&str], root: &Path) -> Act {
        Act {
            kind: ApprovalKind::Permission,
            agent: "claude".to_owned(),
            tool,
            name: String::new(),
            commands: command.map(str::to_owned).into_iter().collect(),
            paths: files.iter().map(|file| (*file).to_owned()).collect(),
            guessed: Vec::new(),
            places: Vec::new(),
            project: "api".to_owned(),
            root: root.to_owned(),
            home: None,
        }
    }

    fn session() -> SessionId {
        SessionId::from_uuid(uuid::Builder::from_unix_timestamp_millis(1, &[0; 10]).into_uuid())
    }

    fn offered(act: &Act) -> Vec<String> {
        offers(act, session(), UnixMs(9)).into_iter().map(|offer| offer.words).collect()
    }

    #[test]
    fn what_is_offered_says_its_scope_and_what_is_dangerous_is_not_offered() {
        let command = |text| offered(&act(ToolKind::Execute, Some(text), &[], Path::new("/p")));
        assert_eq!(
            command("npm test -- case-3"),
            [
                "`npm test …` in api, for this session",
                "`npm test …` in api, until tonight",
                "`npm test …` in api, for this project, until revoked",
            ]
        );
        assert_eq!(command("npm run build --prod")[0], "`npm run build …` in api, for this session");
        assert_eq!(command("ls -la src")[0], "exactly `ls -la src` in api, for this session");
        assert_eq!(command("python3 x.py")[0], "exactly `python3 x.py` in api, for this session");
        for none in ["rm -rf build", "npm test && ls", "sudo npm test", "git push --force", "echo $X", ""] {
            assert_eq!(command(none), Vec::<String>::new(), "{none}");
        }
        let delete = act(ToolKind::Delete, None, &["a"], Path::new("/p"));
        assert_eq!(offered(&delete), Vec::<String>::new());
    }

    #[test]
    fn a_rule_for_files_stays_in_its_directory() {
        let world = tempfile::tempdir().unwrap();
        let root = world.path().canonicalize().unwrap().join("api");
        std::fs::create_dir_all(root.join("src/deep")).unwrap();
        std::fs::create_dir_all(root.join(".git/hooks")).unwrap();
        let edit = |files: &[&str]| act(ToolKind::Edit, None, files, &root);
        let words = offered(&edit(&["src/a.rs", "src/deep/b.rs"]));
        assert_eq!(words[0], "edits in `src/` of api, for this session");
        assert_eq!(offered(&edit(&["a.rs"]))[0], "edits anywhere in api, for this session");
        assert_eq!(offered(&edit(&["../x"])), Vec::<String>::new());
        assert_eq!(offered(&edit(&[".git/hooks/x"])), Vec::<String>::new());
        let scope = RuleScope::Path { tool: ToolKind::Edit, path: root.join("src").to_str().unwrap().to_owned() };
        assert!(covers(&scope, &edit(&["src/new/file.rs"])));
        for bad in [&["a.rs"][..], &["src/../a.rs"], &["src/a.rs", "b.rs"], &[], &["srcx/a"], &["/etc/passwd"]] {
            assert!(!covers(&scope, &edit(bad)), "{bad:?}");
        }
        assert!(!covers(&scope, &act(ToolKind::Delete, None, &["src/a.rs"], &root)), "another tool");
        assert!(!covers(&scope, &act(ToolKind::Edit, Some("rm x"), &["src/a.rs"], &root)), "it runs something");
        let all = RuleScope::Path { tool: ToolKind::Edit, path: root.to_str().unwrap().to_owned() };
        assert!(!covers(&all, &edit(&[".git/hooks/pre-commit"])), "what decides what runs is asked");
        #[cfg(unix)]
        {
            std::fs::create_dir(world.path().join("out")).unwrap();
            std::os::unix::fs::symlink(world.path().join("out"), root.join("src/link")).unwrap();
            assert!(!covers(&scope, &edit(&["src/link/x"])), "a link leads away");
            std::fs::remove_dir_all(root.join("src")).unwrap();
            std::os::unix::fs::symlink(world.path().join("out"), root.join("src")).unwrap();
            assert!(!covers(&scope, &edit(&["src/x"])), "the directory became a link");
        }
    }

    proptest! {
        #[test]
        fn what_is_offered_covers_what_was_asked_and_nothing_with_syntax(
            command in "(npm|cargo|git|ls|make|rm) ?(test|build|status)?( [a-z-]{1,5}){0,3}",
            syntax in prop::sample::select(vec![";", "&&", "|", "$(x)", "`x`", ">x", "\n", "\\", "${X}"]),
        ) {
            let root = Path::new("/p");
            let asked = act(ToolKind::Execute, Some(&command), &[], root);
            for offer in offers(&asked, session(), UnixMs(9)) {
                prop_assert!(covers(&offer.scope, &asked), "{command:?}");
                let more = format!("{command} {syntax} rm");
                prop_assert!(!covers(&offer.scope, &act(ToolKind::Execute, Some(&more), &[], root)), "{more:?}");
                let front = format!("X=1 {command}");
                prop_assert!(!covers(&offer.scope, &act(ToolKind::Execute, Some(&front), &[], root)), "{front:?}");
            }
        }
    }
}
