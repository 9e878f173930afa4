//! What is left for later, and what is silenced without saying why.

use super::Finding;
use super::tree::File;

/// Marks of unfinished work.
const UNFINISHED: [&str; 5] = ["TODO", "FIXME", "XXX", "unimplemented!", "todo!"];

pub(super) fn unfinished(file: &File) -> Vec<Finding> {
    if file.is_fixture()
        || file.path.starts_with("xtask/src/tidy/")
        || file.ending() == "lock"
        || file.name() == "package-lock.json"
    {
        return Vec::new();
    }
    let whole = |line: &str, mark: &str| {
        line.match_indices(mark).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            let after = line[at + mark.len()..].chars().next();
            !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
                && !after.is_some_and(|c| c.is_alphanumeric() || c == '_')
        })
    };
    let marked = file.text.lines().enumerate();
    marked
        .filter_map(|(at, line)| UNFINISHED.iter().find(|mark| whole(line, mark)).map(|mark| (at, *mark)))
        .map(|(at, mark)| Finding::new(file, at + 1, format!("`{mark}`: finish it, or open an issue")))
        .collect()
}

pub(super) fn reasons(file: &File) -> Vec<Finding> {
    if file.ending() != "rs" || file.path.starts_with("xtask/src/tidy/") {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (at, line) in file.text.lines().enumerate() {
        let attribute = line.trim_start();
        if attribute.starts_with("#[ignore") && !attribute.contains("= \"") {
            findings.push(Finding::new(file, at + 1, "an ignored test says why: #[ignore = \"…\"]"));
        }
        for (mark, word) in
            [("#[expect(", "expect"), ("#![expect(", "expect"), ("#[allow(", "allow"), ("#![allow(", "allow")]
        {
            let Some(start) = line.find(mark).filter(|start| !line[..*start].contains("//")) else { continue };
            let following: String = std::iter::once(&line[start..]).chain(file.text.lines().skip(at + 1)).collect();
            let end = following.find(")]").unwrap_or(following.len());
            if word == "allow" {
                findings.push(Finding::new(
                    file,
                    at + 1,
                    "use #[expect(…, reason = \"…\")], which fails when it is no longer needed",
                ));
            } else if !following[..end].contains("reason = ") {
                findings.push(Finding::new(file, at + 1, "a silenced lint says why: #[expect(…, reason = \"…\")]"));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::tree::file;
    use super::*;

    #[test]
    fn unfinished_work_is_found() {
        for text in ["// TODO: later", "/* FIXME */", "    unimplemented!()", "todo!(\"x\")"] {
            assert_eq!(unfinished(&file("hub/src/a.rs", text)).len(), 1, "{text}");
        }
        for text in ["TodoWrite", "todos!", "my_todo!()", "a TODOS list"] {
            assert_eq!(unfinished(&file("hub/src/a.rs", text)), [], "{text}");
        }
    }

    #[test]
    fn silence_needs_a_reason() {
        for text in
            ["#[ignore]", "#[expect(dead_code)]", "#[expect(\n    dead_code\n)]", "#[allow(dead_code, reason = \"x\")]"]
        {
            assert_eq!(reasons(&file("hub/src/a.rs", text)).len(), 1, "{text}");
        }
        for text in [
            "#[ignore = \"slow\"]",
            "#[expect(dead_code, reason = \"a (very) good one\")]",
            "#![expect(\n    dead_code,\n    reason = \"x\"\n)]",
            "// #[expect(dead_code)]",
        ] {
            assert_eq!(reasons(&file("hub/src/a.rs", text)), [], "{text}");
        }
    }
}
