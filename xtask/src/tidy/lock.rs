//! What may not be in a lock file. `deny.toml` says the same about crates to cargo-deny; this holds without it.

use super::Finding;
use super::tree::File;

/// Crates that must not come in, not even through another one's default features.
const CRATES: &[(&str, &str)] = &[
    ("openssl-sys", "TLS is rustls"),
    ("native-tls", "TLS is rustls"),
    ("ring", "aws-lc-rs is the one crypto provider"),
];

pub(super) fn banned(file: &File) -> Vec<Finding> {
    let lines = || file.text.lines().enumerate();
    match file.name() {
        "Cargo.lock" => lines()
            .filter_map(|(at, line)| {
                let name = line.strip_prefix("name = \"")?.strip_suffix('"')?;
                let (_, reason) = CRATES.iter().find(|(banned, _)| *banned == name)?;
                Some(Finding::new(file, at + 1, format!("`{name}` is banned: {reason}")))
            })
            .collect(),
        // Who installs chooses the registry; a lock file that names another one works on one machine only.
        "package-lock.json" => lines()
            .filter(|(_, line)| {
                let address = line.trim_start().strip_prefix("\"resolved\": \"");
                address.is_some_and(|address| {
                    address.contains("://") && !address.starts_with("https://registry.npmjs.org/")
                })
            })
            .map(|(at, _)| Finding::new(file, at + 1, "a package from a registry of one machine"))
            .collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::file;
    use super::*;

    #[test]
    fn banned_crates_are_found() {
        let lock = |name: &str| file("Cargo.lock", &format!("[[package]]\nname = \"{name}\"\nversion = \"1.0.0\"\n"));
        assert_eq!(banned(&lock("ring"))[0].line, 2);
        assert_eq!(banned(&lock("openssl-sys")).len(), 1);
        assert_eq!(banned(&lock("ring-buffer")), []);
    }

    #[test]
    fn other_registries_are_found() {
        let lock = |address: &str| file("web/package-lock.json", &format!("  \"resolved\": \"{address}\","));
        assert_eq!(banned(&lock("http://registry.example/a.tgz")).len(), 1);
        assert_eq!(banned(&lock("https://registry.npmjs.org/a.tgz")), []);
    }
}
