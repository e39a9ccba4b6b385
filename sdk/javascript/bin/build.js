#!/usr/bin/env node
// kubedl-events-build SOURCE OUTPUT.wasm: bundles a sink with the SDK, and makes a component of it.
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { componentize } from "componentize-qjs";
import { build } from "esbuild";

const [source, output, ...more] = process.argv.slice(2);
if (source === undefined || output === undefined || more.length > 0) {
  console.error("usage: kubedl-events-build SOURCE.js|SOURCE.ts OUTPUT.wasm");
  process.exit(2);
}

const { component } = await componentize({
  witPath: contract(),
  world: "sink",
  jsSource: await bundle(source),
  optSize: true,
  sync: true,
});
await writeFile(output, component);
console.log(`${output}: ${component.length} bytes`);

/** One module, without names: QuickJS keeps the whole source in the component. */
async function bundle(entry) {
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    format: "esm",
    platform: "neutral",
    target: "es2022",
    minify: true,
    external: ["kubedl:*", "wasi:*"],
    write: false,
  });
  const { text } = outputFiles[0];
  if (/\bconsole\b/.test(text)) {
    console.error("warning: there is no console in the component: what uses it ends the sink's instance. Say it in a reason instead.");
  }
  return text;
}

/** Beside the SDK in a project of an author, at the top in the repository of kubedl-events. */
function contract() {
  const sdk = dirname(dirname(fileURLToPath(import.meta.url)));
  const places = [join(sdk, "wit"), join(sdk, "..", "..", "wit")];
  const found = places.find((place) => existsSync(join(place, "sink.wit")));
  if (found === undefined) throw new Error(`the contract is neither in ${places.join(" nor in ")}`);
  return found;
}
