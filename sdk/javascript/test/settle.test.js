import assert from "node:assert/strict";
import { test } from "node:test";
import { http, Misconfigured, Refused, Retry, utf8 } from "../src/index.js";

const answered = (status, body = "words", headers = []) =>
  new http.Response({ status, headers, body: typeof body === "string" ? utf8.encode(body) : body, truncated: false });

function outcome(answer) {
  try {
    http.settle(answer);
  } catch (error) {
    return [error.constructor, error.message, error.afterMs];
  }
  return "stored";
}

test("a status decides who must act", () => {
  for (const status of [200, 201, 202, 204, 299]) assert.equal(outcome(answered(status)), "stored");
  const others = [
    [Retry, [408, 425, 429, 500, 502, 503, 504, 599, 100, 600]],
    [Misconfigured, [300, 301, 302, 304, 307, 308, 399, 401, 403, 404, 405, 407, 410]],
    [Refused, [400, 402, 406, 409, 411, 413, 414, 415, 422, 431, 451, 499]],
  ];
  for (const [kind, statuses] of others) {
    for (const status of statuses) assert.deepEqual(outcome(answered(status)), [kind, `the destination answered ${status}: words`, undefined]);
  }
});

test("a destination may say when to come again, in seconds", () => {
  const wait = (value) => outcome(answered(429, "", [["Retry-After", utf8.encode(value)]]))[2];
  assert.equal(wait("7"), 7000);
  assert.equal(wait(" 0 "), 0);
  assert.equal(wait("999999999"), 0xffff_ffff);
  for (const other of ["Wed, 21 Oct 2026 07:28:00 GMT", "-1", "1.5", "", "99999999999"]) assert.equal(wait(other), undefined);
});

test("no answer is told with its case", () => {
  const no = (tag, val) => outcome(new http.NoAnswer({ tag, val })).slice(0, 2);
  const told = (words) => `no answer from the destination: ${words}`;
  assert.deepEqual(no("denied", "why"), [Misconfigured, told("denied: why")]);
  assert.deepEqual(no("invalid-request", "why"), [Misconfigured, told("invalid request: why")]);
  assert.deepEqual(no("request-too-large", 9n), [Refused, told("request too large: at most 9 bytes are granted")]);
  assert.deepEqual(no("timeout"), [Retry, told("timeout")]);
  for (const tag of ["dns", "connect", "tls", "proxy", "interrupted", "protocol", "other"]) assert.deepEqual(no(tag, "why"), [Retry, told(`${tag}: why`)]);
  assert.deepEqual(no("not-sent", "why"), [Retry, told("not sent: why")]);
});

test("a body is told as far as it is text", () => {
  const told = (body) => outcome(answered(400, body))[1].replace("the destination answered 400", "");
  assert.equal(told(" two\nlines\n"), ": two\nlines");
  assert.equal(told("ü".repeat(1000)), `: ${"ü".repeat(200)}`);
  assert.equal(told("\u{1F600}".repeat(1000)), `: ${"\u{1F600}".repeat(200)}`);
  assert.equal(told(`a${"\u{1F600}".repeat(1000)}`), `: a${"\u{1F600}".repeat(199)}`);
  for (const none of ["", " \n", "\x1f\x8b\x08", "a\0b", Uint8Array.of(0xff, 0xfe)]) assert.equal(told(none), "");
});

test("answers about one event each name those that failed", () => {
  const failure = { index: 1, retryable: false, afterMs: undefined, reason: "the destination answered 400: words" };
  assert.deepEqual(http.settleAll([answered(202), answered(400)]), [failure]);
  assert.deepEqual(http.settleAll([]), []);
});

test("where no event was stored, a person goes before a retry, and a retry takes the longest wait", () => {
  const busy = (seconds) => answered(503, "", [["retry-after", utf8.encode(seconds)]]);
  assert.throws(() => http.settleAll([busy("1"), answered(401, "")]), new Misconfigured("the destination answered 401"));
  assert.throws(() => http.settleAll([answered(503, ""), busy("2"), busy("1")]), (error) => error instanceof Retry && error.afterMs === 2000);
  assert.equal(http.settleAll([busy("1"), answered(400)]).length, 2);
  assert.equal(http.settleAll([answered(200), answered(401)])[0].retryable, true);
});
