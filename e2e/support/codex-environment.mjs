// The environment in which the real codex talks to the fake model server only: no account, no network, a home of its own.

import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import path from "node:path";

/** A key no vendor ever issued; the provider only wants one to be there. */
export const DUMMY_KEY = "sk-dummy-for-the-fake-model-server";

/** Codex does without its helpers when its home is below /tmp, so tests put it here; all of it is removed after each. */
const OUTSIDE_TMP = "/var/tmp";

/**
 * Makes a home whose configuration names the fake model server as its provider.
 * @param {{port: number, model?: string}} options port of the fake model server
 * @returns {Promise<string>} the folder; remove it after the test
 */
export async function makeCodexHome({ port, model = "gpt-5.5" }) {
  const home = await mkdtemp(path.join(OUTSIDE_TMP, "towline-codex-"));
  await mkdir(home, { recursive: true });
  const config = [
    `model = "${model}"`,
    'model_provider = "fake"',
    "check_for_update_on_startup = false",
    "[model_providers.fake]",
    'name = "Fake"',
    `base_url = "http://127.0.0.1:${port}/v1"`,
    'wire_api = "responses"',
    'env_key = "FAKE_MODEL_KEY"',
    "request_max_retries = 1",
    "stream_max_retries = 2",
    "[analytics]",
    "enabled = false",
    "",
  ];
  await writeFile(path.join(home, "config.toml"), config.join("\n"));
  return home;
}

/**
 * The variables that are codex's own, which a host must pass on.
 * @param {{home: string}} options
 * @returns {Record<string, string>}
 */
export function codexVariables({ home }) {
  return { CODEX_HOME: home, FAKE_MODEL_KEY: DUMMY_KEY };
}
