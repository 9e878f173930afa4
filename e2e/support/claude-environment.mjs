// The environment in which the real claude talks to the fake model server only: no account, no network, no trace in HOME.

/** A key no vendor ever issued; claude only wants one to be there. */
export const DUMMY_KEY = "sk-ant-dummy-for-the-fake-model-server";

/**
 * Every variable claude gets. Nothing of ours is inherited but what a program needs to start.
 * @param {{port: number, home: string, path?: string}} options port of the fake model server; home: a temporary folder; path: PATH, the system's by default
 * @returns {Record<string, string>}
 */
export function claudeEnvironment({ port, home, path = "/usr/local/bin:/usr/bin:/bin" }) {
  return {
    PATH: path,
    HOME: home,
    LANG: "C.UTF-8",
    TERM: "dumb",
    ...claudeVariables({ port, home }),
  };
}

/**
 * The variables that are claude's own, which a host must pass on.
 * @param {{port: number, home: string}} options
 * @returns {Record<string, string>}
 */
export function claudeVariables({ port, home }) {
  return {
    ANTHROPIC_BASE_URL: `http://127.0.0.1:${port}`,
    ANTHROPIC_API_KEY: DUMMY_KEY,
    CLAUDE_CONFIG_DIR: `${home}/.claude-config`,
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
    DISABLE_AUTOUPDATER: "1",
  };
}
