//! Names of files, and paths of somebody's machine inside them.

use super::Finding;
use super::tree::File;

/// Names that say nothing about what is inside, and so attract everything.
const NAMES: [&str; 7] = ["types", "utils", "util", "common", "helpers", "helper", "misc"];

/// Homes of nobody, good for examples.
const NOBODY: [&str; 10] = ["user", "you", "me", "someone", "alice", "bob", "ada", "ann", "anne", "dev"];

pub(super) fn named(file: &File) -> Vec<Finding> {
    if !file.is_source() {
        return Vec::new();
    }
    let said = file.path.split('/').map(|part| part.split('.').next().unwrap_or(part));
    said.filter(|part| NAMES.contains(part))
        .map(|part| Finding::new(file, 0, format!("`{part}` says nothing: name it for what is inside")))
        .collect()
}

pub(super) fn machine(file: &File) -> Vec<Finding> {
    if file.is_fixture() || file.path.starts_with("xtask/src/tidy/") {
        return Vec::new();
    }
    let lines = file.text.lines().enumerate();
    lines
        .filter_map(|(at, line)| {
            machine_path(line).map(|path| Finding::new(file, at + 1, format!("`{path}` exists on one machine only")))
        })
        .collect()
}

/// The first path in a line that belongs to one machine.
fn machine_path(line: &str) -> Option<&str> {
    for (start, _) in line.match_indices('/') {
        let rest = &line[start..];
        // `a/root/b` and `{home}/work/b` are inside something else.
        let inside = line[..start].ends_with(|c: char| c.is_alphanumeric() || "_-.}$)*~@:/".contains(c));
        if inside {
            continue;
        }
        let person = |root: &str| {
            let name = rest.strip_prefix(root)?.split(|c: char| !c.is_alphanumeric() && c != '-' && c != '_').next()?;
            (!name.is_empty() && !NOBODY.contains(&name)).then_some(root.len() + name.len())
        };
        let length = ["/root/", "/work/"].iter().find(|root| rest.starts_with(*root)).map(|root| root.len());
        if let Some(length) = length.or_else(|| person("/home/")).or_else(|| person("/Users/")) {
            return Some(&rest[..length]);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::tree::file;
    use super::*;

    #[test]
    fn names_that_say_nothing_are_found() {
        for path in ["hub/src/utils.rs", "web/src/helpers.ts", "hub/src/common/mod.rs", "web/src/types.d.ts"] {
            assert_eq!(named(&file(path, "")).len(), 1, "{path}");
        }
        for path in ["hub/src/routes.rs", "web/src/typesetting.ts", "docs/common.md"] {
            assert_eq!(named(&file(path, "")), [], "{path}");
        }
    }

    #[test]
    fn machine_paths_are_found() {
        for (line, found) in [
            ("see /work/main/x", Some("/work/")),
            ("cd \"/root/.cargo\"", Some("/root/")),
            ("/home/karl/x", Some("/home/karl")),
            ("'/Users/karl/x'", Some("/Users/karl")),
            ("/home/alice/project", None),
            ("e2e/.out/work/a", None),
            ("{dir}/root/a", None),
            ("https://example.org/root/a", None),
            ("/home/${name}/a", None),
            ("/workspace/a", None),
        ] {
            assert_eq!(machine_path(line), found, "{line}");
        }
        assert_eq!(machine(&file("host/fixtures/a.json", "/root/x")), []);
        assert_eq!(machine(&file("host/src/a.rs", "\n/root/x"))[0].line, 2);
    }
}
