import assert from "node:assert/strict";
import { test } from "node:test";
import { json, rfc3339 } from "../src/index.js";
import { testEvent, testObject } from "../src/testing.js";

test("what is empty is left out, what is always there stays", () => {
  assert.equal(
    JSON.stringify(json(testEvent({ reason: "", message: "" }))),
    '{"lastTimestamp":"2026-11-23T10:32:46Z","type":"Warning","reason":"","regarding":{"kind":"Pod","namespace":"train","name":"p"},' +
      '"message":"","count":1,"firstTimestamp":"2026-11-23T10:32:46Z","observedAt":"2026-11-23T10:32:46Z","namespace":"train",' +
      '"name":"p.17a","uid":"u-1","resourceVersion":"4711"}',
  );
});

test("what is there comes in the order of the sink stdout", () => {
  const object = testObject({ kind: "Pod", fieldPath: "f", apiVersion: "v1", uid: "u" });
  const view = json(
    testEvent({ component: "c", host: "h", instance: "i", action: "a", related: object, job: testObject(), region: "", cluster: "k", labels: [["b", "2"], ["__proto__", "x"], ["a", "1"], ["b", "3"]] }),
  );
  assert.equal(
    JSON.stringify(view).slice(JSON.stringify(view).indexOf('"component"')),
    '"component":"c","host":"h","instance":"i","action":"a","related":{"kind":"Pod","uid":"u","apiVersion":"v1","fieldPath":"f"},' +
      '"job":{},"region":"","cluster":"k","labels":{"__proto__":"x","a":"1","b":"3"}}',
  );
});

test("times have the digits that they need, and a year that four digits can say", () => {
  const cases = [
    [0, 0, "1970-01-01T00:00:00Z"],
    [-1, 999_999_999, "1969-12-31T23:59:59.999999999Z"],
    [1_795_429_966, 250_000_000, "2026-11-23T10:32:46.25Z"],
    [1_795_429_966, 1, "2026-11-23T10:32:46.000000001Z"],
    [-62_135_596_800, 0, "0001-01-01T00:00:00Z"],
    [-62_135_596_801, 0, "0001-01-01T00:00:00Z"],
    [253_402_300_800, 5, "9999-12-31T23:59:59.000000005Z"],
    [2 ** 63, 0, "9999-12-31T23:59:59Z"],
    [-(2 ** 63), 0, "0001-01-01T00:00:00Z"],
  ];
  for (const [seconds, nanoseconds, text] of cases) assert.equal(rfc3339({ seconds, nanoseconds }), text);
});
