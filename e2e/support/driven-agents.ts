// The agents that are driven through the browser, each the vendor's own program, prepared so that it talks to the fake model server only:
// no account, no network, nothing in HOME before. And what is different about each.

import { mkdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { install } from "../agents/install.mjs";
import { agentsFolder, readPins } from "../agents/pins.mjs";
import type { CaseName, Otherwise } from "./agent-cases.ts";
import * as otherwise from "./agent-deviations.ts";
import { claudeVariables } from "./claude-environment.mjs";
import { codexVariables, makeCodexHome } from "./codex-environment.mjs";
import * as screen from "./screen.ts";

/** A key that no vendor ever issued; agents only want one to be there. */
const DUMMY_KEY = "dummy-key-for-the-fake-model-server";

export interface DrivenAgent {
  /** The pin that is its program. */
  pin: string;
  /** The version that is pinned. */
  version: string;
  /** What people call it. */
  name: string;
  /** What `towline up` is told of it. */
  prepare: (at: { folder: string; port: number }) => Promise<Prepared>;
  /** The mode in which it asks before it does anything, as people see it; null where that is what it does by itself. */
  asking: string | null;
  /** The mode in which its model may ask questions; null where that is any. */
  questioning: string | null;
  /** Something it takes after a slash. */
  takes: string;
  /** Two models it offers, by what they are called and how the server knows them. */
  models: { label: string; asked: RegExp }[];
  /** What its own choice is called that leaves the model to it; where it has none, ours. */
  byDefault?: string;
  /** What it does otherwise than the table of cases says. */
  otherwise: Partial<Record<CaseName, Otherwise>>;
}

/** What an agent needs to be there. */
export interface Prepared {
  /** Programs that agents are looked up as, by name. */
  agents: Record<string, string>;
  /** Further arguments of `up`. */
  args: string[];
  /** The agent's own variables. */
  variables: Record<string, string>;
  /** Removes what lies outside of the test's folder. */
  remove?: () => Promise<void>;
}

function pinned(name: string): string {
  const pin = readPins().find((one) => one.name === name);
  if (!pin) throw new Error(`agents.json pins no ${name}`);
  return pin.version;
}

/** The program of a pin, fetched if it is not there yet. */
async function fetched(name: string): Promise<string> {
  const pin = readPins().find((one) => one.name === name);
  if (!pin) throw new Error(`agents.json pins no ${name}`);
  return install(pin, { folder: agentsFolder(), say: (line) => console.error(line) });
}

/** An agent that is named to towline by its command. */
function overAcp(name: string, command: string[], variables: Record<string, string>): Prepared {
  return { agents: {}, args: ["--acp-agent", `${name}=${command.join(" ")}`], variables };
}

async function writeHome(folder: string, name: string, content: unknown): Promise<void> {
  const file = path.join(folder, "home", name);
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, JSON.stringify(content));
}

const claude: DrivenAgent = {
  pin: "claude",
  version: pinned("claude"),
  name: screen.CLAUDE,
  prepare: async ({ folder, port }) => ({
    agents: { claude: await fetched("claude") },
    args: [],
    // It would try for minutes; how often it does is not what is asked here.
    variables: { ...claudeVariables({ port, home: path.join(folder, "home") }), CLAUDE_CODE_MAX_RETRIES: "1" },
  }),
  asking: null,
  questioning: null,
  takes: "compact",
  models: [
    { label: "Haiku", asked: /haiku/ },
    { label: "Sonnet", asked: /sonnet/ },
  ],
  otherwise: otherwise.claude,
};

const codex: DrivenAgent = {
  pin: "codex",
  version: pinned("codex"),
  name: screen.CODEX,
  prepare: async ({ port }) => {
    const home = await makeCodexHome({ port });
    const remove = () => rm(home, { recursive: true, maxRetries: 5 });
    return { agents: { codex: await fetched("codex") }, args: [], variables: codexVariables({ home }), remove };
  },
  asking: "Ask",
  questioning: "Plan",
  takes: "anything",
  models: [
    { label: "GPT-6.1-Sol", asked: /^gpt-6\.1-sol$/ },
    { label: "GPT-5.5", asked: /^gpt-5\.5$/ },
  ],
  otherwise: otherwise.codex,
};

const gemini: DrivenAgent = {
  pin: "gemini",
  version: pinned("gemini"),
  name: "gemini",
  prepare: async ({ folder, port }) => {
    await writeHome(folder, ".gemini/settings.json", {
      security: { auth: { selectedType: "gemini-api-key" }, folderTrust: { enabled: false } },
      privacy: { usageStatisticsEnabled: false },
      // It would try ten times, for minutes.
      general: { disableAutoUpdate: true, maxAttempts: 2 },
    });
    const variables = { GEMINI_API_KEY: DUMMY_KEY, GOOGLE_GEMINI_BASE_URL: `http://127.0.0.1:${port}`, GEMINI_CLI_NO_RELAUNCH: "1" };
    return overAcp("gemini", [process.execPath, await fetched("gemini"), "--acp"], variables);
  },
  asking: null,
  questioning: null,
  takes: "memory",
  models: [
    { label: "gemini-3.1-pro-preview", asked: /3\.1-pro/ },
    { label: "gemini-3.5-flash-lite", asked: /flash-lite/ },
  ],
  otherwise: otherwise.gemini,
};

const opencode: DrivenAgent = {
  pin: "opencode",
  version: pinned("opencode"),
  name: "opencode",
  prepare: async ({ folder, port }) => {
    await writeHome(folder, ".config/opencode/opencode.json", {
      autoupdate: false,
      share: "disabled",
      model: "fake/fake-large",
      small_model: "fake/fake-small",
      // Else it does everything without asking.
      permission: { bash: "ask", edit: "ask" },
      provider: {
        fake: {
          npm: "@ai-sdk/openai-compatible",
          name: "Fake",
          options: { baseURL: `http://127.0.0.1:${port}/v1`, apiKey: DUMMY_KEY },
          models: {
            "fake-large": { name: "Fake large", attachment: true, modalities: { input: ["text", "image"], output: ["text"] } },
            "fake-small": { name: "Fake small" },
          },
        },
      },
    });
    const variables = { OPENCODE_DISABLE_MODELS_FETCH: "1", OPENCODE_DISABLE_AUTOUPDATE: "1" };
    return overAcp("opencode", [await fetched("opencode"), "acp"], variables);
  },
  asking: null,
  questioning: null,
  takes: "init",
  models: [
    { label: "Fake/Fake small", asked: /^fake-small$/ },
    { label: "Fake/Fake large", asked: /^fake-large$/ },
  ],
  otherwise: otherwise.opencode,
};

const claudeAcp: DrivenAgent = {
  pin: "claude-acp",
  version: pinned("claude-acp"),
  name: "claude-acp",
  prepare: async ({ folder, port }) => {
    const variables = { ...claudeVariables({ port, home: path.join(folder, "home") }), CLAUDE_CODE_MAX_RETRIES: "1" };
    return overAcp("claude-acp", [await fetched("node22"), await fetched("claude-acp")], variables);
  },
  asking: null,
  questioning: null,
  takes: "dataviz",
  byDefault: "Default (recommended)",
  models: [
    { label: "Haiku 5.5", asked: /haiku/ },
    { label: "Sonnet 5.5", asked: /sonnet/ },
  ],
  otherwise: otherwise.claudeAcp,
};

/** Those that run: three always, all of them under `cargo xtask e2e --all`. */
export const drivenAgents: DrivenAgent[] = process.env.E2E_ALL ? [claude, codex, gemini, opencode, claudeAcp] : [claude, codex, gemini];
