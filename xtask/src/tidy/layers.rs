//! What only one crate may do, where the dependency alone does not tell: read the environment, speak SQL.

use super::tree::File;
use super::{Finding, rust};

/// Ways to the environment and to the home directory.
const ENVIRONMENT: [&str; 4] = ["env::var", "env::home_dir", "env::current_dir", "env::args"];

/// Beginnings of SQL, as they stand in a string.
const SQL: [&str; 9] = [
    "SELECT ",
    "INSERT INTO ",
    "INSERT OR ",
    "CREATE TABLE",
    "CREATE INDEX",
    "DELETE FROM ",
    "DROP TABLE",
    "ALTER TABLE",
    "PRAGMA ",
];

pub(super) fn environment(file: &File) -> Vec<Finding> {
    let library = library(file) && !matches!(file.top(), "towline" | "xtask" | "fuzz") && file.name() != "build.rs";
    if !library {
        return Vec::new();
    }
    let lines = rust::without_tests(&file.text).lines().enumerate();
    lines
        .filter(|(_, line)| ENVIRONMENT.iter().any(|way| rust::code(line).contains(way)))
        .map(|(at, _)| Finding::new(file, at + 1, "only towline reads the environment: take the value as a parameter"))
        .collect()
}

pub(super) fn sql(file: &File) -> Vec<Finding> {
    if !library(file) || matches!(file.top(), "store" | "xtask") {
        return Vec::new();
    }
    let strings = rust::strings(rust::without_tests(&file.text)).into_iter();
    strings
        .filter(|(_, string)| SQL.iter().any(|start| string.trim_start().starts_with(start)))
        .map(|(line, _)| Finding::new(file, line, "SQL is spoken in store only"))
        .collect()
}

/// Rust that ends up in the program.
fn library(file: &File) -> bool {
    file.ending() == "rs" && !file.is_test()
}

#[cfg(test)]
mod tests {
    use super::super::tree::file;
    use super::*;

    #[test]
    fn the_environment_is_read_in_towline_only() {
        let text = "fn a() {\n    std::env::var(\"HOME\")\n}\n";
        assert_eq!(environment(&file("hub/src/a.rs", text))[0].line, 2);
        for path in ["towline/src/env.rs", "xtask/src/a.rs", "web/build.rs", "host/tests/a.rs", "host/src/tests.rs"] {
            assert_eq!(environment(&file(path, text)), [], "{path}");
        }
        assert_eq!(environment(&file("hub/src/a.rs", "// std::env::var")), []);
        assert_eq!(environment(&file("hub/src/a.rs", &format!("#[cfg(test)]\nmod tests {{\n{text}}}"))), []);
    }

    #[test]
    fn sql_is_spoken_in_store_only() {
        let text = "let a = 1;\nquery(\"SELECT a FROM b\")";
        assert_eq!(sql(&file("hub/src/a.rs", text))[0].line, 2);
        assert_eq!(sql(&file("store/src/a.rs", text)), []);
        assert_eq!(sql(&file("hub/src/a.rs", "// \"SELECT a\"\nlet selected = \"Select a project\";")), []);
    }
}
