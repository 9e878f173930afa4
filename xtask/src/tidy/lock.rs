//! What may not come in from outside. `deny.toml` says the same about crates to cargo-deny; this holds without it.

use std::collections::BTreeSet;

use super::Finding;
use super::tree::File;

/// Crates that must not come in, not even through another one's default features.
const CRATES: &[(&str, &str)] = &[
    ("openssl-sys", "TLS is rustls"),
    ("native-tls", "TLS is rustls"),
    ("ring", "aws-lc-rs is the one crypto provider"),
];

/// Banned crates among those that are really built, as `cargo tree` lists them. A lock file also names what is only optional.
pub(super) fn crates(tree: &str) -> Vec<Finding> {
    let name = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
    let built: BTreeSet<_> = tree.lines().map(name).collect();
    let found = CRATES.iter().filter(|(banned, _)| built.contains(*banned));
    found
        .map(|(banned, reason)| Finding {
            path: "Cargo.lock".to_owned(),
            line: 0,
            message: format!("`{banned}` is banned: {reason}"),
        })
        .collect()
}

/// Packages of another registry. Who installs chooses the registry; a lock file that names one works on one machine only.
pub(super) fn registries(file: &File) -> Vec<Finding> {
    if file.name() != "package-lock.json" {
        return Vec::new();
    }
    let elsewhere = |line: &str| {
        let address = line.trim_start().strip_prefix("\"resolved\": \"");
        address.is_some_and(|address| address.contains("://") && !address.starts_with("https://registry.npmjs.org/"))
    };
    file.text
        .lines()
        .enumerate()
        .filter(|(_, line)| elsewhere(line))
        .map(|(at, _)| Finding::new(file, at + 1, "a package from a registry of one machine"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tree::file;
    use super::*;

    #[test]
    fn banned_crates_are_found() {
        let tree = |name: &str| format!("towline v0.1.0\n{name} v1.0.0 (*)\nserde v1.0.0\n");
        assert_eq!(crates(&tree("ring")).len(), 1);
        assert_eq!(crates(&tree("openssl-sys")).len(), 1);
        assert_eq!(crates(&tree("ring-buffer")), []);
    }

    #[test]
    fn other_registries_are_found() {
        let lock = |address: &str| file("web/package-lock.json", &format!("  \"resolved\": \"{address}\","));
        assert_eq!(registries(&lock("http://registry.example/a.tgz")).len(), 1);
        assert_eq!(registries(&lock("https://registry.npmjs.org/a.tgz")), []);
    }
}
