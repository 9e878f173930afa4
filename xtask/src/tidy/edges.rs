//! Which crate may use which. The arrows are those of ARCHITECTURE.md; what is not in the table is refused.

use anyhow::{Context, Result};
use serde_json::Value;

use super::Finding;

/// A crate of ours and those of ours that it may use, in tests too.
const EDGES: &[(&str, &[&str])] = &[
    ("protocol", &["fuzz"]),
    ("store", &["protocol"]),
    ("streams", &["fuzz", "protocol", "store"]),
    ("web", &[]),
    ("hub", &["fuzz", "protocol", "store", "streams", "web"]),
    ("host", &["fuzz", "protocol"]),
    ("client", &["fuzz", "protocol"]),
    ("link", &["client", "hub", "protocol", "store", "streams"]),
    ("towline", &["client", "fuzz", "host", "hub", "link", "protocol", "store", "streams", "web"]),
    ("sim", &["client", "host", "hub", "protocol", "store", "streams", "web"]),
    // Damaged input for tests.
    ("fuzz", &[]),
    ("xtask", &[]),
];

/// Crates of others that only some of ours may use, and why.
const CONFINED: &[(&str, &[&str], &str)] = &[
    ("axum", &["streams", "hub"], "HTTP is spoken in streams and hub only"),
    ("rusqlite", &["store"], "SQL is spoken in store only"),
    ("tokio-postgres", &["store"], "SQL is spoken in store only"),
    ("etcetera", &["towline"], "only towline looks for directories"),
    ("clap", &["towline", "xtask"], "only the programs have arguments"),
    ("anyhow", &["towline", "xtask"], "a library says in its type what can go wrong"),
    ("turmoil", &["sim"], "only sim simulates"),
];

/// Features that hold stand-ins for the real thing, and the only crate that may use them outside of tests (W-123).
const STAND_INS: (&[&str], &str) = (&["contract", "doubles", "fjall"], "sim");
/// What is for tests and nothing else.
const TESTS_ONLY: &str = "fuzz";

/// One crate of ours and everything it depends on, also for tests and build scripts.
pub(super) struct Package {
    name: String,
    dependencies: Vec<String>,
    /// Crates that it uses with a stand-in in them, outside of its tests.
    stand_ins: Vec<String>,
}

/// Reads what `cargo metadata` says.
///
/// # Errors
/// If it has another shape than cargo documents.
pub(super) fn packages(metadata: &Value) -> Result<Vec<Package>> {
    let name = |value: &Value| {
        value["name"].as_str().map(str::to_owned).context("cargo metadata has something without a name")
    };
    let packages = metadata["packages"].as_array().context("cargo metadata has no packages")?;
    packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().context("cargo metadata has no dependencies")?;
            let stand_ins = dependencies
                .iter()
                .filter(|used| used["kind"].is_null() && (used["name"] == TESTS_ONLY || has_stand_in(used)));
            Ok(Package {
                name: name(package)?,
                stand_ins: stand_ins.map(name).collect::<Result<_>>()?,
                dependencies: dependencies.iter().map(name).collect::<Result<_>>()?,
            })
        })
        .collect()
}

fn has_stand_in(dependency: &Value) -> bool {
    let features = dependency["features"].as_array().into_iter().flatten().filter_map(Value::as_str);
    features.into_iter().any(|feature| STAND_INS.0.contains(&feature))
}

pub(super) fn check(packages: &[Package]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for Package { name, dependencies, stand_ins } in packages {
        let mut find = |message| findings.push(Finding { path: format!("{name}/Cargo.toml"), line: 0, message });
        let Some((_, allowed)) = EDGES.iter().find(|(package, _)| package == name) else {
            find(format!("the crate `{name}` is not in the table of xtask/src/tidy/edges.rs"));
            continue;
        };
        for used in stand_ins.iter().filter(|_| name != STAND_INS.1) {
            find(format!("`{name}` has a stand-in of `{used}` outside of its tests"));
        }
        for used in dependencies {
            // A crate uses itself to switch a feature on in its own tests.
            let ours = used != name && packages.iter().any(|package| package.name == *used);
            if ours && !allowed.contains(&used.as_str()) {
                find(format!("`{name}` may not use `{used}`"));
            }
            if let Some((_, allowed, reason)) = CONFINED.iter().find(|(package, ..)| package == used)
                && !allowed.contains(&name.as_str())
            {
                find(format!("`{name}` may not use `{used}`: {reason}"));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_one(name: &str, dependencies: &[&str]) -> Vec<String> {
        let package = |name: &str, dependencies: &[&str]| Package {
            name: name.to_owned(),
            dependencies: dependencies.iter().map(|name| (*name).to_owned()).collect(),
            stand_ins: Vec::new(),
        };
        let mut packages = vec![package(name, dependencies)];
        packages.extend(EDGES.iter().filter(|(other, _)| *other != name).map(|(other, _)| package(other, &[])));
        check(&packages).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn the_arrows_hold() {
        assert_eq!(check_one("hub", &["streams", "store", "web", "protocol", "axum", "serde", "hub"]), [""; 0]);
        for (name, used) in [
            ("hub", "host"),
            ("host", "hub"),
            ("hub", "client"),
            ("sim", "towline"),
            ("protocol", "store"),
            ("host", "axum"),
            ("hub", "rusqlite"),
            ("store", "anyhow"),
        ] {
            assert_eq!(check_one(name, &[used]).len(), 1, "{name} → {used}");
        }
    }

    #[test]
    fn what_is_released_has_no_stand_in() {
        let metadata = |name: &str, kind: Option<&str>| {
            let used = serde_json::json!({ "name": "store", "kind": kind, "features": ["doubles"] });
            let packages = [
                serde_json::json!({ "name": name, "dependencies": [used] }),
                serde_json::json!({ "name": "store", "dependencies": [] }),
            ];
            check(&packages_of(&packages)).len()
        };
        assert_eq!(metadata("hub", None), 1);
        assert_eq!(metadata("hub", Some("dev")), 0);
        assert_eq!(metadata("sim", None), 0);
    }

    fn packages_of(all: &[Value]) -> Vec<Package> {
        packages(&serde_json::json!({ "packages": all })).unwrap()
    }

    #[test]
    fn an_unknown_crate_is_refused() {
        assert_eq!(check_one("shiny", &[]).len(), 1);
    }
}
