import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";
import type { Plugin } from "vite";

/** Files that shrink; the others are compressed already. */
const COMPRESSIBLE = /\.(?:css|html|js|json|svg|txt|webmanifest)$/;

/** Writes `x.br` beside each file that shrinks, so that the program embeds both and compresses nothing while it runs. */
function brotli(): Plugin {
  let out = "dist";
  const walk = (folder: string): string[] =>
    readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
      const path = join(folder, entry.name);
      return entry.isDirectory() ? walk(path) : [path];
    });
  return {
    name: "towline-brotli",
    apply: "build",
    configResolved(config) {
      out = config.build.outDir;
    },
    closeBundle() {
      for (const path of walk(out)) {
        if (!COMPRESSIBLE.test(path)) continue;
        const body = readFileSync(path);
        const small = brotliCompressSync(body, {
          params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: body.length },
        });
        if (small.length < body.length) writeFileSync(`${path}.br`, small);
      }
    },
  };
}

/** Tells the service worker the files of its build, and names them all together, so that another build is another worker. */
function shell(): Plugin {
  return {
    name: "towline-shell",
    apply: "build",
    enforce: "post",
    generateBundle(_, bundle) {
      const worker = bundle["sw.js"];
      if (worker?.type !== "chunk") throw new Error("the build has no service worker");
      const built = Object.keys(bundle).filter((path) => path.startsWith("assets/"));
      const plain = readdirSync("public").filter((path) => !path.startsWith("."));
      const files = ["/", ...[...built, ...plain].sort().map((path) => `/${path}`)];
      const build = createHash("sha256").update(files.join("\n"));
      for (const path of plain) build.update(readFileSync(join("public", path)));
      worker.code = worker.code.replace("__TOWLINE_FILES__", JSON.stringify(files).replaceAll('"', '\\"')).replace("__TOWLINE_BUILD__", build.digest("hex").slice(0, 16));
      if (worker.code.includes("__TOWLINE_") || worker.imports.length > 0) throw new Error("the service worker is not whole");
    },
  };
}

const hub = process.env["TOWLINE_URL"] ?? "http://127.0.0.1:4437";

export default defineConfig({
  plugins: [react(), shell(), brotli()],
  build: {
    target: ["es2022", "safari16", "chrome107", "firefox108"],
    // Everything is a file of its own: the content security policy takes no inline script, style or font.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    emptyOutDir: true,
    rolldownOptions: {
      input: { index: "index.html", sw: "src/offline/worker.ts" },
      // The worker has a name of its own, at the root: it may only serve what lies below it.
      output: { entryFileNames: (chunk) => (chunk.name === "sw" ? "sw.js" : "assets/[name]-[hash].js") },
    },
  },
  server: {
    // The hub takes requests of its own pages only: while developing, this page speaks as one of them.
    proxy: { "/v1": { target: hub, ws: true, changeOrigin: true, headers: { origin: new URL(hub).origin } } },
  },
  test: {
    include: ["test/**/*.test.ts", "test/**/*.test.tsx"],
    environment: "node",
  },
});
