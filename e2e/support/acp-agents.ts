// The published ACP agents, each prepared so that it talks to the fake model server only: no account, no network, nothing in HOME before.

import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { install } from "../agents/install.mjs";
import { agentsFolder, readPins } from "../agents/pins.mjs";
import { claudeVariables } from "./claude-environment.mjs";

/** A key that no vendor ever issued; agents only want one to be there. */
const DUMMY_KEY = "dummy-key-for-the-fake-model-server";

export interface AcpAgent {
  /** The pin, and what towline calls it. */
  name: string;
  /** The version that is pinned. */
  version: string;
  /** What is written into its home before it starts, by path. */
  files: (port: number) => Record<string, unknown>;
  /** Its own variables. */
  variables: (at: { port: number; home: string }) => Record<string, string>;
  /** Its command, from the paths of its program and of a Node that is new enough. */
  command: (program: string, node: string) => string[];
  /** Whether it needs the pinned Node. */
  needsNewerNode: boolean;
  /** Two models it offers, by what they are called and how the server knows them; null where it offers none that the fake server has. */
  models: { label: string; asked: RegExp }[] | null;
  /** Whether it hands the model's questions on to its client. */
  asks: boolean;
  /** Whether it writes over its own record when it resumes within the minute in which it began (host/src/agent/acp/deviations.rs). */
  resumesInAnotherMinute: boolean;
  /** What the page shows when the server refuses with 400. */
  refusal: RegExp;
}

function pinned(name: string): string {
  const pin = readPins().find((one) => one.name === name);
  if (!pin) throw new Error(`agents.json pins no ${name}`);
  return pin.version;
}

const gemini: AcpAgent = {
  name: "gemini",
  version: pinned("gemini"),
  files: () => ({ ".gemini/settings.json": { security: { auth: { selectedType: "gemini-api-key" }, folderTrust: { enabled: false } }, privacy: { usageStatisticsEnabled: false }, general: { disableAutoUpdate: true } } }),
  variables: ({ port }) => ({ GEMINI_API_KEY: DUMMY_KEY, GOOGLE_GEMINI_BASE_URL: `http://127.0.0.1:${port}`, GEMINI_CLI_NO_RELAUNCH: "1" }),
  command: (program) => [process.execPath, program, "--acp"],
  needsNewerNode: false,
  models: [
    { label: "gemini-3.1-pro-preview", asked: /3\.1-pro/ },
    { label: "gemini-3.5-flash-lite", asked: /flash-lite/ },
  ],
  asks: false,
  resumesInAnotherMinute: true,
  refusal: /fake model: error 400/,
};

const opencode: AcpAgent = {
  name: "opencode",
  version: pinned("opencode"),
  files: (port) => ({
    ".config/opencode/opencode.json": {
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
          models: { "fake-large": { name: "Fake large" }, "fake-small": { name: "Fake small" } },
        },
      },
    },
  }),
  variables: () => ({ OPENCODE_DISABLE_MODELS_FETCH: "1", OPENCODE_DISABLE_AUTOUPDATE: "1" }),
  command: (program) => [program, "acp"],
  needsNewerNode: false,
  models: [
    { label: "Fake/Fake small", asked: /^fake-small$/ },
    { label: "Fake/Fake large", asked: /^fake-large$/ },
  ],
  asks: false,
  resumesInAnotherMinute: false,
  refusal: /fake model: error 400/,
};

const claudeAcp: AcpAgent = {
  name: "claude-acp",
  version: pinned("claude-acp"),
  files: () => ({}),
  variables: claudeVariables,
  command: (program, node) => [node, program],
  needsNewerNode: true,
  models: [
    { label: "Haiku 5.5", asked: /haiku/ },
    { label: "Sonnet 5.5", asked: /sonnet/ },
  ],
  asks: true,
  resumesInAnotherMinute: false,
  refusal: /fake model: error 400/,
};

/** Those that run: the first always, all of them under `cargo xtask e2e --all`. */
export const acpAgents: AcpAgent[] = process.env.E2E_ALL ? [gemini, opencode, claudeAcp] : [gemini];

/** The program of a pin, fetched if it is not there yet. */
async function fetched(name: string): Promise<string> {
  const pin = readPins().find((one) => one.name === name);
  if (!pin) throw new Error(`agents.json pins no ${name}`);
  return install(pin, { folder: agentsFolder(), say: (line) => console.error(line) });
}

/** What `towline up` is told of an agent. */
export async function prepared(agent: AcpAgent, { folder, port }: { folder: string; port: number }): Promise<{ args: string[]; variables: Record<string, string> }> {
  const home = path.join(folder, "home");
  for (const [name, content] of Object.entries(agent.files(port))) {
    const file = path.join(home, name);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, JSON.stringify(content));
  }
  const program = await fetched(agent.name);
  const node = agent.needsNewerNode ? await fetched("node22") : process.execPath;
  return { args: ["--acp-agent", `${agent.name}=${agent.command(program, node).join(" ")}`], variables: agent.variables({ port, home }) };
}
