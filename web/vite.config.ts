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

const hub = process.env["TOWLINE_URL"] ?? "http://127.0.0.1:4437";

export default defineConfig({
  plugins: [react(), brotli()],
  build: {
    target: ["es2022", "safari16", "chrome107", "firefox108"],
    // Everything is a file of its own: the content security policy takes no inline script, style or font.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    emptyOutDir: true,
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
