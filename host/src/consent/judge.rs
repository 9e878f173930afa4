//! The decision about an ask: the policy first, then the standing rules, else people.

use std::path::{Path, PathBuf};

use protocol::approval::ApprovalKind;
use protocol::id::{RuleId, SessionId};
use protocol::item::Sender;
use protocol::rule::Rule;
use protocol::time::UnixMs;

use super::act::Act;
use super::policy::{Choice, Mistake, Policy};
use super::rules::{self, New};

/// Why it is decided so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// A rule of the policy says so.
    Policy {
        /// The file.
        file: PathBuf,
        /// Where the rule begins, from 1.
        line: usize,
        /// What its owner says.
        reason: Option<String>,
    },
    /// The policy cannot be used, so that everything is asked.
    Broken {
        /// The file.
        file: PathBuf,
        /// What is wrong first.
        first: Mistake,
    },
    /// No rule of the policy is about it.
    NoRule,
    /// Questions and plans are for people, whatever the policy says.
    ForPeople,
}

impl Why {
    /// In words, with the file's name and no directory: what people elsewhere are told. `None` when there is nothing to say.
    pub fn words(&self, choice: Choice) -> Option<String> {
        let name = |file: &Path| file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        match self {
            Self::Policy { file, line, reason } => {
                let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
                Some(format!("{} line {line} says {}{reason}", name(file), choice.word()))
            }
            Self::Broken { file, first } => {
                Some(format!("{} is not right, so everything is asked ({first})", name(file)))
            }
            Self::NoRule | Self::ForPeople => None,
        }
    }
}

/// What a policy makes of an ask, and why. Blocks on the disk.
pub fn explain(policy: &Policy, act: &Act) -> (Choice, Why) {
    if act.kind != ApprovalKind::Permission {
        return (Choice::Ask, Why::ForPeople);
    }
    match policy {
        Policy::None => (Choice::Ask, Why::NoRule),
        Policy::Broken { file, mistakes } => {
            let unknown = || Mistake { line: 1, what: "it cannot be used".to_owned() };
            (Choice::Ask, Why::Broken { file: file.clone(), first: mistakes.first().cloned().unwrap_or_else(unknown) })
        }
        Policy::Rules { file, .. } => match policy.rule_for(act) {
            None => (Choice::Ask, Why::NoRule),
            Some(rule) => {
                let why = Why::Policy { file: file.clone(), line: rule.line, reason: rule.reason.clone() };
                (rule.decision, why)
            }
        },
    }
}

/// What becomes of an ask.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) verdict: Verdict,
    /// Why it was decided so, or why a person must decide.
    pub(crate) because: Option<String>,
    /// Why it looks dangerous.
    pub(crate) danger: Option<String>,
    /// Which standing rules a person may make.
    pub(crate) offers: Vec<New>,
}

impl Judged {
    /// The same of an ask that is too long to be looked at whole: nothing allows it but a person, for this once.
    pub(crate) fn in_part(self) -> Self {
        let verdict = match self.verdict {
            Verdict::Deny => Verdict::Deny,
            Verdict::Ask | Verdict::Allow | Verdict::Rule(..) => Verdict::Ask,
        };
        let doubt = || "it is too long to be looked at whole, so it is asked".to_owned();
        let because = if verdict == self.verdict { self.because.or_else(|| Some(doubt())) } else { Some(doubt()) };
        Self { verdict, because, danger: self.danger, offers: Vec::new() }
    }
}

/// Who decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// A person.
    Ask,
    /// The policy allows it.
    Allow,
    /// The policy refuses it.
    Deny,
    /// A standing rule allows it.
    Rule(RuleId, Sender),
}

/// Decides. `policy` is the file, if this host has one; `held` are the standing rules that hold here. Blocks on the disk.
pub(crate) fn judge(
    policy: Option<&Path>,
    act: &Act,
    held: &[(RuleId, Rule)],
    session: SessionId,
    tonight: UnixMs,
) -> Judged {
    let policy = policy.map_or(Policy::None, Policy::read);
    let (choice, why) = explain(&policy, act);
    let because = why.words(choice);
    let danger = if act.kind == ApprovalKind::Permission { act.danger() } else { None };
    let judged = |verdict, because| Judged { verdict, because, danger: danger.clone(), offers: Vec::new() };
    match (choice, why) {
        (Choice::Allow, _) => judged(Verdict::Allow, because),
        (Choice::Deny, _) => judged(Verdict::Deny, because),
        // Only where the policy says nothing do standing rules count.
        (Choice::Ask, Why::NoRule) => match held.iter().find(|(_, rule)| rules::covers(&rule.content.scope, act)) {
            Some((id, rule)) => judged(Verdict::Rule(*id, rule.by), Some(rule.content.words.clone())),
            None => Judged { offers: rules::offers(act, session, tonight), ..judged(Verdict::Ask, None) },
        },
        (Choice::Ask, _) => judged(Verdict::Ask, because),
    }
}

#[cfg(test)]
mod tests {
    use protocol::id::{AccountId, DeviceId, ProjectId};
    use protocol::item::ToolKind;
    use protocol::rule::{RuleContent, RuleScope};

    use super::*;

    fn v7(n: u64) -> uuid::Uuid {
        uuid::Builder::from_unix_timestamp_millis(n, &[0; 10]).into_uuid()
    }

    fn act(command: &str) -> Act {
        Act {
            kind: ApprovalKind::Permission,
            agent: "claude".to_owned(),
            tool: ToolKind::Execute,
            name: "Bash".to_owned(),
            commands: vec![command.to_owned()],
            paths: Vec::new(),
            guessed: Vec::new(),
            places: Vec::new(),
            project: "api".to_owned(),
            root: PathBuf::from("/p"),
            home: None,
        }
    }

    fn standing() -> Vec<(RuleId, Rule)> {
        let by = Sender { account: AccountId::from_uuid(v7(1)), device: DeviceId::from_uuid(v7(2)) };
        let scope = RuleScope::Command { words: vec!["npm".to_owned(), "test".to_owned()], exact: false };
        let rule = Rule {
            v: 1,
            host: DeviceId::from_uuid(v7(2)),
            project: ProjectId::from_uuid(v7(3)),
            session: None,
            by,
            created_at_ms: UnixMs(1),
            expires_at_ms: None,
            uses: 0,
            used_at_ms: None,
            content: RuleContent { words: "`npm test …` in api".to_owned(), scope },
        };
        vec![(RuleId::from_uuid(v7(4)), rule)]
    }

    #[test]
    fn a_standing_rule_counts_only_where_the_policy_says_nothing() {
        let world = tempfile::tempdir().unwrap();
        let file = world.path().join("policy.toml");
        let verdict = |text: Option<&str>, command: &str| {
            match text {
                Some(text) => std::fs::write(&file, text).unwrap(),
                None => drop(std::fs::remove_file(&file)),
            }
            let session = SessionId::from_uuid(v7(9));
            let judged = judge(Some(&file), &act(command), &standing(), session, UnixMs(5));
            (judged.verdict, judged.because, judged.offers.len())
        };
        let by_rule = verdict(None, "npm test");
        assert!(matches!(by_rule.0, Verdict::Rule(..)), "{by_rule:?}");
        assert_eq!(verdict(None, "npm test && x"), (Verdict::Ask, None, 0));
        assert_eq!(verdict(None, "npm build").2, 3);
        let rule = |decision: &str| format!("\n[[rule]]\ndecision = \"{decision}\"\ncommand = \"npm test\"\n");
        let said = |text: &str| Some(text.to_owned());
        assert_eq!(verdict(Some(&rule("ask")), "npm test"), (Verdict::Ask, said("policy.toml line 2 says ask"), 0));
        assert_eq!(verdict(Some(&rule("deny")), "npm test"), (Verdict::Deny, said("policy.toml line 2 says deny"), 0));
        assert_eq!(verdict(Some(&rule("allow")), "npm test").0, Verdict::Allow);
        let broken = verdict(Some("[[rule]]\n"), "npm test");
        assert_eq!((broken.0, broken.2), (Verdict::Ask, 0), "a file that is not right allows nothing");
        assert!(broken.1.is_some_and(|words| words.contains("everything is asked")), "and says so");
    }

    #[test]
    fn questions_and_plans_are_for_people() {
        let policy = Policy::Rules {
            file: PathBuf::from("policy.toml"),
            rules: super::super::parse("[[rule]]\ndecision = \"allow\"\n").unwrap(),
        };
        let plan = Act { kind: ApprovalKind::Plan, ..act("") };
        assert_eq!(explain(&policy, &plan), (Choice::Ask, Why::ForPeople));
    }
}
