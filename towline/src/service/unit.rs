//! What each system is told of the service.

use std::path::PathBuf;

/// What is to be started.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// The program.
    pub(crate) program: PathBuf,
    /// Its arguments.
    pub(crate) args: Vec<String>,
    /// Where programs are found: agents are looked for there.
    pub(crate) path: Option<String>,
    /// The home directory.
    pub(crate) home: PathBuf,
    /// Whose login it is that starts it, as Windows names people; elsewhere nobody asks.
    pub(crate) user: Option<String>,
}

/// A systemd user unit.
pub(crate) fn systemd(wanted: &Wanted) -> String {
    let words = std::iter::once(wanted.program.display().to_string()).chain(wanted.args.iter().cloned());
    let line: Vec<String> = words.map(|word| systemd_word(&word)).collect();
    // In `Environment=` a dollar sign means itself.
    let path = wanted.path.as_ref().map(|path| {
        let assignment = systemd_word(&format!("PATH={path}")).replace("$$", "$");
        format!("Environment={assignment}\n")
    });
    format!(
        "# Made by `towline service install`; `towline service uninstall` removes it.\n\
         [Unit]\n\
         Description=Towline: coding agents on this machine, from everywhere\n\
         After=network.target\n\
         \n\
         [Service]\n\
         Type=exec\n\
         ExecStart={}\n\
         {}WorkingDirectory=%h\n\
         UMask=0077\n\
         # Towline ends its agents itself, in order; what is left after that is killed.\n\
         KillMode=mixed\n\
         TimeoutStopSec=15\n\
         Restart=on-failure\n\
         RestartSec=2\n\
         # A wrong configuration does not get better by starting again.\n\
         RestartPreventExitStatus=2 3\n\
         \n\
         [Install]\n\
         WantedBy=default.target\n",
        line.join(" "),
        path.unwrap_or_default(),
    )
}

/// A word of a command line as systemd reads it (systemd.syntax(7), systemd.service(5)).
fn systemd_word(word: &str) -> String {
    let mut out = String::from("\"");
    for c in word.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '%' => out.push_str("%%"),
            '$' => out.push_str("$$"),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A launchd property list.
pub(crate) fn launchd(wanted: &Wanted, label: &str) -> String {
    let words = std::iter::once(wanted.program.display().to_string()).chain(wanted.args.iter().cloned());
    let words: Vec<String> = words.map(|word| format!("    <string>{}</string>\n", xml(&word))).collect();
    let words = words.concat();
    let path = wanted.path.as_ref().map(|path| {
        format!(
            "  <key>EnvironmentVariables</key>\n  <dict>\n    <key>PATH</key>\n    <string>{}</string>\n  </dict>\n",
            xml(path)
        )
    });
    let home = xml(&wanted.home.display().to_string());
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
         <plist version=\"1.0\">\n<dict>\n\
         \x20 <key>Label</key>\n  <string>{}</string>\n\
         \x20 <key>ProgramArguments</key>\n  <array>\n{words}  </array>\n\
         {}\
         \x20 <key>WorkingDirectory</key>\n  <string>{home}</string>\n\
         \x20 <key>RunAtLoad</key>\n  <true/>\n\
         \x20 <key>KeepAlive</key>\n  <dict>\n    <key>SuccessfulExit</key>\n    <false/>\n  </dict>\n\
         \x20 <key>ProcessType</key>\n  <string>Interactive</string>\n\
         \x20 <key>Umask</key>\n  <integer>63</integer>\n\
         \x20 <key>ExitTimeOut</key>\n  <integer>15</integer>\n\
         </dict>\n</plist>\n",
        xml(label),
        path.unwrap_or_default(),
    )
}

/// The bytes of a task as Windows itself writes them, and the only ones that every `schtasks` reads: UTF-16 with a mark.
pub(crate) fn windows_file(task: &str) -> Vec<u8> {
    let text = format!("\u{feff}<?xml version=\"1.0\" encoding=\"UTF-16\"?>\r\n{}", task.replace('\n', "\r\n"));
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// A task of the Windows task scheduler, without a declaration of its encoding: shown it is UTF-8, in the file it is not.
pub(crate) fn windows(wanted: &Wanted) -> String {
    let args: Vec<String> = wanted.args.iter().map(|word| windows_word(word)).collect();
    // Only an administrator may have a task start with the login of anybody.
    let user = wanted.user.as_ref().map(|user| format!("\n      <UserId>{}</UserId>", xml(user))).unwrap_or_default();
    format!(
        "<Task version=\"1.2\" xmlns=\"http://schemas.microsoft.com/windows/2004/02/mit/task\">\n\
         \x20 <RegistrationInfo>\n    <Description>Towline: coding agents on this machine, from everywhere</Description>\n  </RegistrationInfo>\n\
         \x20 <Triggers>\n    <LogonTrigger>\n      <Enabled>true</Enabled>{user}\n    </LogonTrigger>\n  </Triggers>\n\
         \x20 <Principals>\n    <Principal id=\"Author\">{user}\n      <LogonType>InteractiveToken</LogonType>\n      \
         <RunLevel>LeastPrivilege</RunLevel>\n    </Principal>\n  </Principals>\n\
         \x20 <Settings>\n    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>\n    \
         <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>\n    \
         <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>\n    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>\n    \
         <RestartOnFailure>\n      <Interval>PT1M</Interval>\n      <Count>10</Count>\n    </RestartOnFailure>\n  </Settings>\n\
         \x20 <Actions Context=\"Author\">\n    <Exec>\n      <Command>{}</Command>\n      <Arguments>{}</Arguments>\n      \
         <WorkingDirectory>{}</WorkingDirectory>\n    </Exec>\n  </Actions>\n\
         </Task>\n",
        xml(&wanted.program.display().to_string()),
        xml(&args.join(" ")),
        xml(&wanted.home.display().to_string()),
    )
}

/// A word of a command line as Windows programs read it.
fn windows_word(word: &str) -> String {
    if !word.is_empty() && !word.contains([' ', '\t', '"']) {
        return word.to_owned();
    }
    let mut out = String::from("\"");
    let mut slashes = 0;
    for c in word.chars() {
        if c == '"' {
            out.push_str(&"\\".repeat(slashes + 1));
        }
        slashes = if c == '\\' { slashes + 1 } else { 0 };
        out.push(c);
    }
    // Backslashes before the closing mark count double.
    out.push_str(&"\\".repeat(slashes));
    out.push('"');
    out
}

fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> Wanted {
        Wanted {
            program: "/opt/a b/tow\"line".into(),
            args: ["--data-dir", "/d/50% & $HOME\\", "up", "--no-open"].map(str::to_owned).to_vec(),
            path: Some("/usr/bin:/users/a b/$x/bin".to_owned()),
            home: "/users/a b".into(),
            user: Some("DESK\\Zoë & <Co>".to_owned()),
        }
    }

    #[test]
    fn systemd_reads_every_word_as_it_was_meant() {
        let unit = systemd(&wanted());
        for line in [
            r#"ExecStart="/opt/a b/tow\"line" "--data-dir" "/d/50%% & $$HOME\\" "up" "--no-open""#,
            r#"Environment="PATH=/usr/bin:/users/a b/$x/bin""#,
            "KillMode=mixed",
            "WantedBy=default.target",
            "RestartPreventExitStatus=2 3",
        ] {
            assert!(unit.lines().any(|found| found == line), "{line}\n{unit}");
        }
    }

    #[test]
    fn launchd_reads_every_word_as_it_was_meant() {
        let list = launchd(&wanted(), "towline");
        for line in [
            "    <string>/opt/a b/tow&quot;line</string>",
            "    <string>/d/50% &amp; $HOME\\</string>",
            "    <string>/usr/bin:/users/a b/$x/bin</string>",
            "  <key>RunAtLoad</key>",
        ] {
            assert!(list.lines().any(|found| found == line), "{line}\n{list}");
        }
        let count = |tag: &str| (list.matches(&format!("<{tag}>")).count(), list.matches(&format!("</{tag}>")).count());
        for tag in ["dict", "array", "string", "key"] {
            assert_eq!(count(tag).0, count(tag).1, "{tag}");
        }
    }

    /// Reads bytes with a parser that is not ours, and says what it found; none where Python is not installed.
    #[expect(clippy::disallowed_methods, reason = "a test runs another program")]
    fn read_by_python(script: &str, bytes: &[u8]) -> Option<serde_json::Value> {
        use std::io::Write as _;
        use std::process::{Command, Stdio};
        let mut command = Command::new("python3");
        command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let Ok(mut child) = command.spawn() else {
            eprintln!("there is no python3 here: nobody else has read the file");
            return None;
        };
        child.stdin.take().unwrap().write_all(bytes).unwrap();
        let done = child.wait_with_output().unwrap();
        assert!(done.status.success(), "it is not read");
        Some(serde_json::from_slice(&done.stdout).unwrap())
    }

    /// Words with everything that a path may have and a file of any of the three has to write in another way.
    fn odd() -> Wanted {
        let words = ["--config", "/d/a \"b\" & <c>'s/\u{e9}\u{1f30a}.toml", "", "ends \\", "\\\\desk\\d x\\", "up"];
        Wanted { args: words.map(str::to_owned).to_vec(), home: "/users/Zo\u{eb} & <Co>".into(), ..wanted() }
    }

    #[test]
    fn another_parser_finds_in_a_property_list_what_was_meant() {
        let script = "import json, plistlib, sys; print(json.dumps(plistlib.loads(sys.stdin.buffer.read())))";
        let wanted = odd();
        let Some(found) = read_by_python(script, launchd(&wanted, "towline").as_bytes()) else { return };
        let words: Vec<&str> =
            std::iter::once(wanted.program.to_str().unwrap()).chain(wanted.args.iter().map(String::as_str)).collect();
        let meant = serde_json::json!({
            "Label": "towline",
            "ProgramArguments": words,
            "EnvironmentVariables": {"PATH": wanted.path},
            "WorkingDirectory": wanted.home,
            "RunAtLoad": true,
            "KeepAlive": {"SuccessfulExit": false},
            "ProcessType": "Interactive",
            "Umask": 0o077,
            "ExitTimeOut": 15,
        });
        assert_eq!(found, meant);
    }

    #[test]
    fn another_parser_finds_in_a_task_what_was_meant() {
        // Every leaf by its path, in the order in which it stands; the schema fixes that order within triggers and actions. The words of
        // the command line are joined by another program, too.
        let script = r#"
import json, subprocess, sys, xml.etree.ElementTree as tree
root = tree.fromstring(sys.stdin.buffer.read())
space = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"
leaves = []
def walk(at, path):
    assert at.tag.startswith(space), at.tag
    path = path + [at.tag[len(space):]]
    if len(at) == 0: leaves.append(["/".join(path), at.text])
    for child in at: walk(child, path)
walk(root, [])
print(json.dumps({"version": root.get("version"), "context": root.find(space + "Actions").get("Context"),
    "principal": root.find(space + "Principals")[0].get("id"), "leaves": leaves}))
"#;
        let wanted = odd();
        let file = windows_file(&windows(&wanted));
        assert_eq!(file.get(..2), Some(&[0xff, 0xfe][..]), "a mark says which UTF-16 it is");
        let Some(found) = read_by_python(script, &file) else { return };
        let join = "import json, subprocess, sys; print(json.dumps(subprocess.list2cmdline(json.load(sys.stdin))))";
        let Some(arguments) = read_by_python(join, &serde_json::to_vec(&wanted.args).unwrap()) else { return };
        let leaf = |path: &str, text: &str| serde_json::json!([format!("Task/{path}"), text]);
        let user = wanted.user.as_deref().unwrap();
        let meant = serde_json::json!({"version": "1.2", "context": "Author", "principal": "Author", "leaves": [
            leaf("RegistrationInfo/Description", "Towline: coding agents on this machine, from everywhere"),
            leaf("Triggers/LogonTrigger/Enabled", "true"),
            leaf("Triggers/LogonTrigger/UserId", user),
            leaf("Principals/Principal/UserId", user),
            leaf("Principals/Principal/LogonType", "InteractiveToken"),
            leaf("Principals/Principal/RunLevel", "LeastPrivilege"),
            leaf("Settings/MultipleInstancesPolicy", "IgnoreNew"),
            leaf("Settings/DisallowStartIfOnBatteries", "false"),
            leaf("Settings/StopIfGoingOnBatteries", "false"),
            leaf("Settings/ExecutionTimeLimit", "PT0S"),
            leaf("Settings/RestartOnFailure/Interval", "PT1M"),
            leaf("Settings/RestartOnFailure/Count", "10"),
            leaf("Actions/Exec/Command", wanted.program.to_str().unwrap()),
            leaf("Actions/Exec/Arguments", arguments.as_str().unwrap()),
            leaf("Actions/Exec/WorkingDirectory", wanted.home.to_str().unwrap()),
        ]});
        assert_eq!(found, meant);
        // What is shown has no declaration, and is well-formed as the UTF-8 that it is shown in.
        assert!(read_by_python(script, windows(&wanted).as_bytes()).is_some());
    }

    #[test]
    fn windows_reads_every_word_as_it_was_meant() {
        let task = windows(&wanted());
        assert!(task.contains("<Command>/opt/a b/tow&quot;line</Command>"), "{task}");
        let args = r"<Arguments>--data-dir &quot;/d/50% &amp; $HOME\\&quot; up --no-open</Arguments>";
        assert!(task.contains(args), "{task}");
        assert!(task.contains("<ExecutionTimeLimit>PT0S</ExecutionTimeLimit>"));
        assert_eq!(windows_word(r#"a\"b c"#), r#""a\\\"b c""#);
        assert_eq!((windows_word("plain").as_str(), windows_word("").as_str()), ("plain", "\"\""));
    }
}
