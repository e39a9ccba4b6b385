import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { defineSink, env, http, Misconfigured, rawEvent, Refused, Retry } from "../src/index.js";
import { testEvent, testHost } from "../src/testing.js";

const describe = () => ({ name: "a", version: "1", summary: "s" });
const batch = { attempt: 0, maybeSent: false, attributes: [] };
const saving = (save) => () => defineSink({ describe, save }).saveEvents(batch, []);

test("what is not said about a sink is empty", () => {
  const whole = { name: "a", version: "1", summary: "s", env: [], hosts: [], batchEvents: 0, batchBytes: 0, attributes: [] };
  assert.deepEqual(defineSink({ describe, save: () => [] }).describe(), whole);
});

test("errors of a sink become the contract's", () => {
  const thrower = (error) => saving(() => { throw error; });
  assert.throws(thrower(new Retry("r", { afterMs: 1.5 })), { tag: "retry", val: { reason: "r", afterMs: 2 } });
  assert.throws(thrower(new Refused("f")), { tag: "refused", val: "f" });
  assert.throws(thrower(new Misconfigured("m")), { tag: "misconfigured", val: "m" });
});

test("a bug stays a bug", () => {
  assert.throws(saving(() => null.x), TypeError);
  assert.throws(saving(() => undefined), /save returned no list of failures/);
  assert.throws(saving(async () => []), /save is asynchronous/);
});

test("an event has undefined for what is absent, positive counts, and numbers in its times", () => {
  const given = { ...testEvent({ count: -1, related: null, job: null, region: null, cluster: "c" }), lastTimestamp: { seconds: 7n, nanoseconds: 1 } };
  defineSink({
    describe,
    save(_, [event]) {
      assert.deepEqual([event.related, event.job, event.region, event.cluster], [undefined, undefined, undefined, "c"]);
      assert.equal(event.count, 0xffff_ffff);
      assert.deepEqual(event.lastTimestamp, { seconds: 7, nanoseconds: 1 });
      return [];
    },
  }).saveEvents(batch, [given]);
});

test("a variable that is empty is absent", () => {
  testHost({ env: { A: "a", B: "" } });
  assert.deepEqual([env.get("A"), env.get("B"), env.get("C"), env.require("A")], ["a", undefined, undefined, "a"]);
  assert.throws(() => env.require("B"), new Misconfigured("the variable B is not set"));
});

test("requests go out as bytes, and answers come in their order", () => {
  const { requests } = testHost({ answers: [{ status: 503, body: "ü" }, { error: { tag: "timeout" } }] });
  const answers = http.sendAll([{ method: "PUT", url: "https://a/", body: "ä", headers: [["X", "1"]] }, { method: "GET", url: "https://b/" }]);
  assert.deepEqual(requests[0], { method: "PUT", url: "https://a/", headers: { x: "1" }, body: "ä", timeoutMs: undefined });
  assert.deepEqual([answers[0].status, answers[0].text(), answers[1].error.tag], [503, "ü", "timeout"]);
  assert.equal(http.send({ method: "GET", url: "https://b/" }).error.tag, "timeout");
});

test("a raw event is there or undefined", () => {
  testHost({ raw: ["{}", null] });
  assert.deepEqual([rawEvent(0), rawEvent(1), rawEvent(2)], ["{}", undefined, undefined]);
});

test("the copy of the contract is the contract", () => {
  const top = new URL("../../../wit/", import.meta.url);
  const copy = new URL("../wit/", import.meta.url);
  for (const file of [...readdirSync(top).filter((name) => name.endsWith(".wit")), "deps/cli/environment.wit"]) {
    assert.equal(readFileSync(new URL(file, copy), "utf8"), readFileSync(new URL(file, top), "utf8"), `copy wit/${file} again`);
  }
});
