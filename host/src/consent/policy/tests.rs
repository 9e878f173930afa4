use std::path::PathBuf;

use proptest::prelude::*;
use protocol::approval::ApprovalKind;

use super::*;

fn act(tool: ToolKind, commands: &[&str], files: &[&str], root: &Path) -> Act {
    let texts = |all: &[&str]| all.iter().map(|text| (*text).to_owned()).collect();
    Act {
        kind: ApprovalKind::Permission,
        agent: "claude".to_owned(),
        tool,
        name: "Bash".to_owned(),
        commands: texts(commands),
        paths: texts(files),
        guessed: Vec::new(),
        places: Vec::new(),
        project: "api".to_owned(),
        root: root.to_owned(),
        home: None,
    }
}

fn policy(text: &str) -> Policy {
    Policy::Rules { file: PathBuf::from("policy.toml"), rules: parse(text).unwrap() }
}

fn run(policy: &Policy, command: &str) -> Option<(Choice, usize)> {
    policy.rule_for(&act(ToolKind::Execute, &[command], &[], Path::new("/p"))).map(|rule| (rule.decision, rule.line))
}

const FILE: &str = r#"# what agents may do here
[[rule]]
decision = "allow"
tool = "execute"
command = ["npm test", "cargo test"]

[[rule]]
decision = "deny"
command = "git push"
reason = "people push"

[[rule]]
decision = "ask"
command = "npm test --publish"
"#;

#[test]
fn deny_beats_ask_beats_allow_and_each_names_its_line() {
    let policy = policy(FILE);
    assert_eq!(run(&policy, "npm test"), Some((Choice::Allow, 2)));
    assert_eq!(run(&policy, "npm test --publish"), Some((Choice::Ask, 12)));
    assert_eq!(run(&policy, "npm test && git push"), Some((Choice::Deny, 7)));
    assert_eq!(run(&policy, "bash -c 'git push'"), Some((Choice::Deny, 7)));
    assert_eq!(run(&policy, "npm test && ls"), None, "what is not plain words is asked");
    assert_eq!(run(&policy, "ls"), None);
    // Both forms of a command count: one that is refused is enough, all must be allowed.
    let both = |commands: &[&str]| {
        policy.rule_for(&act(ToolKind::Execute, commands, &[], Path::new("/p"))).map(|rule| rule.decision)
    };
    assert_eq!(both(&["npm test", "git push"]), Some(Choice::Deny));
    assert_eq!(both(&["npm test", "ls"]), None);
    // An agent that says that it reads, and runs.
    let sly = act(ToolKind::Read, &["git push"], &[], Path::new("/p"));
    assert_eq!(policy.rule_for(&sly).map(|rule| rule.decision), Some(Choice::Deny));
}

#[test]
fn what_is_wrong_is_said_with_its_line_and_nothing_of_the_file_counts() {
    let text = "[[rule]]\ndecision = \"alow\"\n[[rule]]\ncommand = \"x\"\n[[rule]]\ndecision = \"deny\"\ntool = \"excute\"\nbanana = 1\n\
                [[rule]]\ndecision = \"allow\"\ncommand = \"a && b\"\n[[rule]]\ndecision = \"allow\"\ncommand = \"bash\"\n[[rule]]\ndecision = \"deny\"\npath = []\n[other]\nx = 1\n";
    let said: Vec<String> = parse(text).unwrap_err().iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "line 2: `decision`: expected \"allow\", \"ask\" or \"deny\"",
            "line 3: a rule needs a `decision`",
            "line 7: `tool`: there is no `excute`; there are read, edit, delete, move, search, execute, fetch, think, task, ask, other",
            "line 8: `banana`: there is no such key; there are decision, tool, name, command, exact, path, project, agent, reason",
            "line 11: `command`: `a && b` is not plain words; write the first words of one command",
            "line 12: `bash` runs what its arguments say: to allow it, write the whole command and `exact = true`",
            "line 17: `path`: the list is empty",
            "line 18: there is no `other`; a policy is a list of [[rule]]",
        ]
    );
    assert_eq!(parse("rule = 1\n").unwrap_err()[0].line, 1);
    assert!(parse("[[rule]\n").unwrap_err()[0].what.starts_with("this is not TOML"));
    assert_eq!(parse("").unwrap(), []);
}

#[test]
fn every_key_of_the_table_is_read() {
    for key in KEYS {
        let text = match key.name {
            "decision" => format!("[[rule]]\ndecision = {}\n", key.example),
            "exact" => "[[rule]]\ndecision = \"deny\"\ncommand = \"make test\"\nexact = true\n".to_owned(),
            name => format!("[[rule]]\ndecision = \"deny\"\n{name} = {}\n", key.example),
        };
        assert!(parse(&text).is_ok(), "{text}");
    }
}

#[test]
fn paths_are_where_they_lead() {
    let world = tempfile::tempdir().unwrap();
    let root = world.path().canonicalize().unwrap().join("api");
    std::fs::create_dir_all(root.join("src")).unwrap();
    let policy = policy(
        "[[rule]]\ndecision = \"allow\"\ntool = \"edit\"\npath = \"src\"\n[[rule]]\ndecision = \"deny\"\npath = [\".env\", \"secrets\"]\n",
    );
    let edit = |files: &[&str]| policy.rule_for(&act(ToolKind::Edit, &[], files, &root)).map(|rule| rule.decision);
    assert_eq!(edit(&["src/new.rs"]), Some(Choice::Allow));
    assert_eq!(edit(&["src/a.rs", "b.rs"]), None, "every file must be allowed");
    assert_eq!(edit(&["src/../b.rs"]), None);
    assert_eq!(edit(&["src/../.env"]), Some(Choice::Deny));
    assert_eq!(edit(&["src/a.rs", ".env"]), Some(Choice::Deny), "one file that is refused is enough");
    assert_eq!(edit(&[]), None);
    assert_eq!(edit(&["srcx/a.rs"]), None);
    for command in ["cat .env", "cp x secrets/y", "cat <./.env", "x --file=.env", "cat 'secrets/a'"] {
        let found = policy.rule_for(&act(ToolKind::Execute, &[command], &[], &root)).map(|rule| rule.decision);
        assert_eq!(found, Some(Choice::Deny), "{command}");
    }
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(world.path(), root.join("src/out")).unwrap();
        assert_eq!(edit(&["src/out/x"]), None, "a link leads away");
        std::fs::create_dir(root.join("secrets")).unwrap();
        std::os::unix::fs::symlink(root.join("secrets"), root.join("src/in")).unwrap();
        assert_eq!(edit(&["src/in/x"]), Some(Choice::Deny));
    }
    let all = parse("[[rule]]\ndecision = \"allow\"\ntool = \"edit\"\n")
        .map(|rules| Policy::Rules { file: PathBuf::new(), rules })
        .unwrap();
    let anywhere = |files: &[&str]| all.rule_for(&act(ToolKind::Edit, &[], files, &root)).is_some();
    assert!(anywhere(&["a.rs"]) && !anywhere(&["/etc/passwd"]) && !anywhere(&["../x"]), "inside the project");
}

#[test]
fn projects_agents_and_names_narrow_a_rule() {
    let file = "[[rule]]\ndecision = \"deny\"\nproject = \"web\"\n[[rule]]\ndecision = \"deny\"\nagent = \"codex\"\n[[rule]]\ndecision = \"deny\"\nname = \"WebFetch\"\n";
    let policy = policy(file);
    assert_eq!(run(&policy, "ls"), None);
    let mut asked = act(ToolKind::Fetch, &[], &[], Path::new("/p"));
    asked.name = "WebFetch".to_owned();
    assert_eq!(policy.rule_for(&asked).map(|rule| rule.line), Some(7));
    asked.project = "web".to_owned();
    assert_eq!(policy.rule_for(&asked).map(|rule| rule.line), Some(1));
}

#[test]
fn a_file_that_is_not_there_is_none_and_one_that_cannot_be_read_is_broken() {
    let world = tempfile::tempdir().unwrap();
    let file = world.path().join("policy.toml");
    assert_eq!(Policy::read(&file), Policy::None);
    std::fs::write(&file, FILE).unwrap();
    assert!(matches!(Policy::read(&file), Policy::Rules { rules, .. } if rules.len() == 3));
    std::fs::write(&file, "[[rule]\n").unwrap();
    assert!(matches!(Policy::read(&file), Policy::Broken { .. }));
    std::fs::write(&file, b"\xff\xfe").unwrap();
    assert!(matches!(Policy::read(&file), Policy::Broken { .. }));
    assert!(matches!(Policy::read(world.path()), Policy::Broken { .. }));
    #[cfg(unix)]
    {
        let link = world.path().join("link.toml");
        std::os::unix::fs::symlink(world.path().join("none"), &link).unwrap();
        assert!(matches!(Policy::read(&link), Policy::Broken { .. }), "it was meant to be one");
    }
}

proptest! {
    #[test]
    fn no_rule_that_allows_outvotes_one_that_denies(order in prop::collection::vec(0..3_usize, 1..6), command in "(npm test|git push)( [a-z-]{1,5}){0,3}") {
        let rules = ["decision = \"allow\"", "decision = \"ask\"", "decision = \"deny\""];
        let text = order.iter().map(|at| ["[[rule]]", rules[*at], ""].join("\n")).collect::<String>();
        let strongest = order.iter().max().copied();
        let found = run(&policy(&text), &command).map(|(choice, _)| choice as usize);
        prop_assert_eq!(found, strongest);
    }

    #[test]
    fn no_text_panics(text in ".{0,200}") {
        let _ = parse(&text);
    }
}
