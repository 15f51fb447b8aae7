// The page that functions/web serves, and the npm package in dist/ beside it.
import { execFileSync } from "node:child_process";

import react from "@vitejs/plugin-react";
import { build } from "vite";

const root = import.meta.dirname;
const run = (tool, ...words) =>
  execFileSync(process.execPath, [`${root}/node_modules/${tool}`, ...words], { cwd: root, stdio: "inherit" });
const common = { root, configFile: false, plugins: [react()], logLevel: "warn" };
const page = process.argv[2] ?? `${root}/../../functions/web/static/insights`;
const dist = process.argv[3] ?? `${root}/dist`;

run(
  "openapi-typescript/bin/cli.js",
  "../../functions/web/openapi.json",
  "-o",
  "src/api/schema.ts",
  "--silent",
);
await build({
  ...common,
  base: "/insights/",
  build: {
    outDir: page,
    emptyOutDir: true,
    // Nothing that the page's policy would have to allow as data:.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
});
await build({
  ...common,
  build: {
    outDir: dist,
    emptyOutDir: true,
    minify: false,
    lib: { entry: `${root}/src/index.ts`, formats: ["es"], fileName: "index", cssFileName: "style" },
    rolldownOptions: { external: ["react", "react/jsx-runtime"] },
    reportCompressedSize: false,
  },
});
run("typescript/bin/tsc", "-p", "tsconfig.package.json", "--outDir", dist);
