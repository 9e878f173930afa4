//! Permission modes: pairs of Codex's approval policy and sandbox, and its plan mode.

use protocol::host::Choice;
use serde_json::{Value, json};

use crate::agent::words::text;

/// A permission mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Preset {
    pub(super) id: &'static str,
    name: &'static str,
    description: &'static str,
    /// When Codex asks: `untrusted`, `on-request` or `never`.
    pub(super) approval: &'static str,
    /// What it may touch without asking, as `thread/start` spells it.
    pub(super) sandbox: &'static str,
    /// Whether it only plans.
    pub(super) plan: bool,
}

/// The mode in which Codex asks for nothing.
pub(super) const FULL_ACCESS: &str = "full-access";

/// The modes, the most usual one first. The pairs are those of Codex's own menu (Read Only, Default, Full Access), and `untrusted`,
/// which asks before every edit.
pub(super) const PRESETS: [Preset; 5] = [
    Preset {
        id: "auto",
        name: "Auto",
        description: "Works in the project by itself, asks for what goes beyond it",
        approval: "on-request",
        sandbox: "workspace-write",
        plan: false,
    },
    Preset {
        id: "untrusted",
        name: "Ask",
        description: "Asks before every edit and every command that may change something",
        approval: "untrusted",
        sandbox: "workspace-write",
        plan: false,
    },
    Preset {
        id: "read-only",
        name: "Read only",
        description: "Reads by itself, asks before it changes anything",
        approval: "on-request",
        sandbox: "read-only",
        plan: false,
    },
    Preset {
        id: "plan",
        name: "Plan",
        description: "Asks questions and plans without changing anything",
        approval: "on-request",
        sandbox: "read-only",
        plan: true,
    },
    Preset {
        id: FULL_ACCESS,
        name: "Full access",
        description: "Does everything on this machine without asking",
        approval: "never",
        sandbox: "danger-full-access",
        plan: false,
    },
];

/// A mode by its id.
pub(super) fn find(id: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.id == id)
}

/// The mode that Codex reports, in the answer to `thread/start` and in `thread/settings/updated`; `None` for a pair of its own.
pub(super) fn reported(settings: &Value) -> Option<&'static Preset> {
    let sandbox = settings.get("sandboxPolicy").or_else(|| settings.get("sandbox")).unwrap_or(&Value::Null);
    let (approval, kind) = (text(settings, "approvalPolicy"), text(sandbox, "type"));
    let plan = settings.pointer("/collaborationMode/mode").and_then(Value::as_str) == Some("plan");
    PRESETS.iter().find(|preset| preset.approval == approval && preset.kind() == kind && preset.plan == plan)
}

/// The modes to choose from.
pub(super) fn choices(bypass: bool) -> Vec<Choice> {
    let offered = PRESETS.iter().filter(|preset| bypass || preset.id != FULL_ACCESS);
    let choice = |preset: &Preset| Choice {
        id: preset.id.to_owned(),
        name: preset.name.to_owned(),
        description: Some(preset.description.to_owned()),
    };
    offered.map(choice).collect()
}

impl Preset {
    const fn kind(&self) -> &'static str {
        match self.sandbox.as_bytes() {
            b"read-only" => "readOnly",
            b"workspace-write" => "workspaceWrite",
            _ => "dangerFullAccess",
        }
    }

    /// The sandbox as `thread/settings/update` spells it.
    pub(super) fn policy(&self) -> Value {
        match self.kind() {
            "workspaceWrite" => json!({
                "type": "workspaceWrite",
                "writableRoots": [],
                "networkAccess": false,
                "excludeTmpdirEnvVar": false,
                "excludeSlashTmp": false,
            }),
            "readOnly" => json!({ "type": "readOnly", "networkAccess": false }),
            other => json!({ "type": other }),
        }
    }

    /// Codex's collaboration mode; it names the model, which it would else change.
    pub(super) fn collaboration(&self, model: &str, effort: Option<&str>) -> Value {
        let mode = if self.plan { "plan" } else { "default" };
        let settings = json!({ "model": model, "reasoning_effort": effort, "developer_instructions": null });
        json!({ "mode": mode, "settings": settings })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::bypasses_approval;

    #[test]
    fn what_never_asks_is_known_by_its_name_and_offered_only_where_it_may() {
        for preset in &PRESETS {
            assert_eq!(bypasses_approval(preset.id), preset.approval == "never", "{}", preset.id);
        }
        assert_eq!((choices(false).len(), choices(true).len()), (4, 5));
    }

    #[test]
    fn a_mode_is_recognised_by_what_codex_reports() {
        let id = |settings: Value| reported(&settings).map(|preset| preset.id);
        for preset in PRESETS.iter().filter(|preset| !preset.plan) {
            let started = json!({ "approvalPolicy": preset.approval, "sandbox": preset.policy() });
            assert_eq!(id(started), Some(preset.id));
        }
        let planning = json!({ "approvalPolicy": "on-request", "sandboxPolicy": { "type": "readOnly" },
            "collaborationMode": find("plan").unwrap().collaboration("m", None) });
        assert_eq!(id(planning), Some("plan"));
        assert_eq!(id(json!({ "approvalPolicy": "never", "sandbox": { "type": "readOnly" } })), None);
        assert_eq!(id(json!({})), None);
    }
}
