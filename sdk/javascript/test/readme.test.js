import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { testEvent, testHost } from "../src/testing.js";

test("the sink of the README posts lines of JSON", async () => {
  const [, source] = /```js\n(import[^]*?)```/.exec(readFileSync(new URL("../README.md", import.meta.url), "utf8"));
  const folder = mkdtempSync(join(import.meta.dirname, "readme-"));
  try {
    writeFileSync(join(folder, "lines.mjs"), source.replace("@kubedl-events/sink", "../../src/index.js"));
    const { eventSink } = await import(join(folder, "lines.mjs"));
    const { requests } = testHost({ env: { LINES_URL: "https://logs.example.com/in" } });
    assert.deepEqual(eventSink.saveEvents({ attempt: 0, maybeSent: false, attributes: [] }, [testEvent(), testEvent()]), []);
    const lines = requests[0].body.trim().split("\n").map((line) => JSON.parse(line));
    assert.deepEqual(lines.map(({ uid }) => uid), ["u-1", "u-1"]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
