// The script that functions/web serves, and the npm package in dist/ beside it.
import { rmSync } from "node:fs";

import { build } from "esbuild";

const here = import.meta.dirname;
const common = { absWorkingDir: here, bundle: true, minify: true, target: "es2020", logLevel: "warning", tsconfigRaw: {} };

await build({
  ...common,
  entryPoints: ["src/script.ts"],
  format: "iife",
  outfile: process.argv[2] ?? "../../functions/web/static/tracker.js",
});
const dist = process.argv[3] ?? `${here}/dist`;
rmSync(dist, { recursive: true, force: true });
await build({
  ...common,
  minify: false,
  entryPoints: ["src/index.ts", "src/react.ts"],
  format: "esm",
  splitting: true,
  external: ["react"],
  outdir: dist,
});
