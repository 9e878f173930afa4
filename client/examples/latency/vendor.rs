//! Which real agents are measured, and what each needs so that it talks to the fake model server only.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::Failure;

/// A key that no vendor ever issued; agents only want one to be there.
const KEY: &str = "sk-ant-dummy-for-the-fake-model-server";

/// What an agent speaks over its pipes.
#[derive(Clone, Copy)]
pub(crate) enum Spoken {
    Claude,
    Codex,
    Acp,
}

/// What runs an agent's program.
#[derive(Clone, Copy)]
enum Runner {
    Itself,
    /// The Node in PATH.
    Node,
    /// The program that a variable names.
    Named(&'static str),
}

/// An agent of a vendor.
pub(crate) struct Vendor {
    pub(crate) name: &'static str,
    pub(crate) spoken: Spoken,
    /// The variable that tells where its program is.
    variable: &'static str,
    runner: Runner,
    /// Its arguments.
    args: &'static [&'static str],
}

const CLAUDE_ARGS: &[&str] = &[
    "-p",
    "--input-format",
    "stream-json",
    "--output-format",
    "stream-json",
    "--verbose",
    "--include-partial-messages",
];

pub(crate) const VENDORS: &[Vendor] = &[
    Vendor {
        name: "claude",
        spoken: Spoken::Claude,
        variable: "TOWLINE_TEST_CLAUDE",
        runner: Runner::Itself,
        args: CLAUDE_ARGS,
    },
    Vendor {
        name: "codex",
        spoken: Spoken::Codex,
        variable: "TOWLINE_TEST_CODEX",
        runner: Runner::Itself,
        args: &["app-server"],
    },
    Vendor {
        name: "gemini",
        spoken: Spoken::Acp,
        variable: "TOWLINE_TEST_GEMINI",
        runner: Runner::Node,
        args: &["--acp"],
    },
    Vendor {
        name: "opencode",
        spoken: Spoken::Acp,
        variable: "TOWLINE_TEST_OPENCODE",
        runner: Runner::Itself,
        args: &["acp"],
    },
    Vendor {
        name: "claude-acp",
        spoken: Spoken::Acp,
        variable: "TOWLINE_TEST_CLAUDE_ACP",
        runner: Runner::Named("TOWLINE_TEST_NODE22"),
        args: &[],
    },
];

impl Vendor {
    /// Where its program is.
    pub(crate) fn program(&self) -> Result<PathBuf, Failure> {
        crate::path(self.variable)
    }
}

/// How an agent is run.
pub(crate) struct Setting {
    /// Its program and arguments.
    pub(crate) command: Vec<String>,
    /// What it is told of besides.
    pub(crate) variables: Vec<(String, String)>,
}

/// Writes what an agent wants to find in its home.
pub(crate) fn prepare(vendor: &Vendor, program: &Path, url: &str, home: &Path) -> Result<Setting, Failure> {
    let runner = match vendor.runner {
        Runner::Itself => None,
        Runner::Node => Some(PathBuf::from("node")),
        Runner::Named(variable) => Some(crate::path(variable)?),
    };
    let words = runner.iter().map(PathBuf::as_path).chain([program]).map(|word| word.display().to_string());
    let command = words.chain(vendor.args.iter().map(|word| (*word).to_owned())).collect();
    let variables = match vendor.name {
        "codex" => codex(url, &home.join("codex"))?,
        "gemini" => gemini(url, home)?,
        "opencode" => opencode(url, home)?,
        _ => claude(url, &home.join("claude")),
    };
    Ok(Setting { command, variables })
}

fn named(variables: &[(&str, &str)]) -> Vec<(String, String)> {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn write(file: &Path, content: &str) -> Result<(), Failure> {
    std::fs::create_dir_all(file.parent().ok_or("a file without a folder")?)?;
    Ok(std::fs::write(file, content)?)
}

fn claude(url: &str, config: &Path) -> Vec<(String, String)> {
    named(&[
        ("ANTHROPIC_BASE_URL", url),
        ("ANTHROPIC_API_KEY", KEY),
        ("CLAUDE_CONFIG_DIR", &config.display().to_string()),
        ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
        ("DISABLE_AUTOUPDATER", "1"),
    ])
}

fn codex(url: &str, home: &Path) -> Result<Vec<(String, String)>, Failure> {
    let config = format!(
        "model = \"gpt-5.5\"\nmodel_provider = \"fake\"\ncheck_for_update_on_startup = false\n[model_providers.fake]\n\
         name = \"Fake\"\nbase_url = \"{url}/v1\"\nwire_api = \"responses\"\nenv_key = \"FAKE_MODEL_KEY\"\n\
         [analytics]\nenabled = false\n"
    );
    write(&home.join("config.toml"), &config)?;
    Ok(named(&[("CODEX_HOME", &home.display().to_string()), ("FAKE_MODEL_KEY", KEY)]))
}

fn gemini(url: &str, home: &Path) -> Result<Vec<(String, String)>, Failure> {
    let settings = json!({
        "security": { "auth": { "selectedType": "gemini-api-key" }, "folderTrust": { "enabled": false } },
        "privacy": { "usageStatisticsEnabled": false },
        "general": { "disableAutoUpdate": true },
    });
    write(&home.join(".gemini/settings.json"), &settings.to_string())?;
    Ok(named(&[("GEMINI_API_KEY", KEY), ("GOOGLE_GEMINI_BASE_URL", url), ("GEMINI_CLI_NO_RELAUNCH", "1")]))
}

fn opencode(url: &str, home: &Path) -> Result<Vec<(String, String)>, Failure> {
    let models: Value = json!({ "fake-large": { "name": "Fake large" }, "fake-small": { "name": "Fake small" } });
    let options = json!({ "baseURL": format!("{url}/v1"), "apiKey": KEY });
    let settings = json!({
        "autoupdate": false,
        "share": "disabled",
        "model": "fake/fake-large",
        "small_model": "fake/fake-small",
        "provider": { "fake": {
            "npm": "@ai-sdk/openai-compatible", "name": "Fake", "options": options, "models": models,
        } },
    });
    write(&home.join(".config/opencode/opencode.json"), &settings.to_string())?;
    Ok(named(&[("OPENCODE_DISABLE_MODELS_FETCH", "1"), ("OPENCODE_DISABLE_AUTOUPDATE", "1")]))
}
