/** Endings, names and fences, to the grammar that reads them. */
const NAMES: Record<string, string> = {
  bash: "bash", sh: "bash", zsh: "bash", shell: "bash", console: "bash", fish: "bash",
  c: "c", h: "c",
  cc: "cpp", cpp: "cpp", cxx: "cpp", hh: "cpp", hpp: "cpp", "c++": "cpp",
  cs: "csharp", csharp: "csharp",
  css: "css", scss: "css", less: "css",
  diff: "diff", patch: "diff",
  dockerfile: "dockerfile", containerfile: "dockerfile",
  go: "go", golang: "go",
  toml: "ini", ini: "ini", cfg: "ini", conf: "ini", env: "ini", service: "ini", editorconfig: "ini", gitconfig: "ini",
  java: "java", gradle: "java",
  js: "javascript", mjs: "javascript", cjs: "javascript", jsx: "javascript", javascript: "javascript",
  json: "json", jsonc: "json", json5: "json", jsonl: "json", webmanifest: "json",
  kt: "kotlin", kts: "kotlin", kotlin: "kotlin",
  lua: "lua",
  makefile: "makefile", mk: "makefile", make: "makefile",
  md: "markdown", markdown: "markdown", mdx: "markdown",
  php: "php",
  py: "python", pyi: "python", python: "python",
  rb: "ruby", ruby: "ruby", rake: "ruby", gemfile: "ruby", rakefile: "ruby",
  rs: "rust", rust: "rust",
  sql: "sql",
  swift: "swift",
  ts: "typescript", mts: "typescript", cts: "typescript", tsx: "typescript", typescript: "typescript",
  xml: "xml", html: "xml", htm: "xml", svg: "xml", vue: "xml", svelte: "xml", plist: "xml",
  yaml: "yaml", yml: "yaml",
};

/** The grammar for what a code fence names; null when there is none. */
export function ofFence(name: string): string | null {
  return NAMES[name.toLowerCase()] ?? null;
}

/** The grammar for a file, by the end of its name. */
export function ofPath(path: string): string | null {
  const name = path.split(/[/\\]/).at(-1)?.toLowerCase() ?? "";
  const ending = name.includes(".") ? (name.split(".").at(-1) ?? "") : name;
  return NAMES[ending] ?? NAMES[name] ?? null;
}
