//! An agent outside of every machine: it writes down each prompt that it gets, and can be kept from starting.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

/// Speaks ACP as far as it must.
const SCRIPT: &str = r#"#!/bin/sh
if [ -e "@/broken" ]; then echo 'out of memory' >&2; exit 1; fi
while IFS= read -r line; do
  id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
  result() { printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$1"; }
  case "$line" in
    *'"initialize"'*) result '{"protocolVersion":1,"agentCapabilities":{"sessionCapabilities":{"resume":{}}},"agentInfo":{"name":"scribe","version":"1.0.0"}}' ;;
    *'"session/new"'*) result '{"sessionId":"s"}' ;;
    *'"session/resume"'*) result '{}' ;;
    *'session/prompt'*) printf '%s\n' "$line" >> "@/prompts"; result '{"stopReason":"end_turn"}' ;;
  esac
done
"#;

/// Its program, and what it wrote down.
pub(crate) struct Scribe {
    folder: tempfile::TempDir,
}

impl Scribe {
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("towline-scribe-").tempdir().unwrap();
        let program = folder.path().join("scribe");
        std::fs::write(&program, SCRIPT.replace('@', folder.path().to_str().unwrap())).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
        Self { folder }
    }

    /// What a machine is started with that has it.
    pub(crate) fn flag(&self) -> String {
        format!("scribe={}", self.folder.path().join("scribe").display())
    }

    fn flaw(&self) -> PathBuf {
        self.folder.path().join("broken")
    }

    /// It cannot be started until it is mended.
    pub(crate) fn breaks(&self) {
        std::fs::write(self.flaw(), "").unwrap();
    }

    pub(crate) fn is_mended(&self) {
        std::fs::remove_file(self.flaw()).unwrap();
    }

    /// How often any of its processes got a prompt with these words.
    pub(crate) fn got(&self, words: &str) -> usize {
        let prompts = std::fs::read_to_string(self.folder.path().join("prompts")).unwrap_or_default();
        prompts.lines().filter(|line| line.contains(words)).count()
    }
}
