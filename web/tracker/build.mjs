// The script that functions/web serves, and the npm package in dist/ beside it.
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";

import { build } from "esbuild";

const here = import.meta.dirname;
const common = { absWorkingDir: here, bundle: true, minify: true, target: "es2021", logLevel: "warning", tsconfigRaw: {} };

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

const tsc = `${here}/node_modules/typescript/bin/tsc`;
execFileSync(process.execPath, [tsc, "-p", here, "--emitDeclarationOnly", "--outDir", dist], { stdio: "inherit" });
// Of an ES module, Node's resolution finds only whole names.
for (const name of readdirSync(dist).filter((file) => file.endsWith(".d.ts"))) {
  const types = readFileSync(`${dist}/${name}`, "utf-8");
  writeFileSync(`${dist}/${name}`, types.replace(/(from|import\()(\s*)"(\.\/[^".]+)"/g, '$1$2"$3.js"'));
}
