import assert from "node:assert/strict";
import { test } from "node:test";
import { testEvent, testHost, testObject } from "@kubedl-events/sink/testing";
import { cloudEvent, eventSink } from "./sink.js";

const env = { WEBHOOK_URL: "https://hooks.example.com/in", WEBHOOK_TOKEN: "t" };
const firstTry = { attempt: 0, maybeSent: false, attributes: [] };

test("a batch is one request, with the token", () => {
  const { requests } = testHost({ env, answers: [{ status: 202 }] });
  const failures = eventSink.saveEvents(firstTry, [testEvent(), testEvent({ resourceVersion: "4712" })]);
  assert.deepEqual(failures, []);
  assert.equal(requests.length, 1);
  assert.equal(requests[0].url, env.WEBHOOK_URL);
  assert.equal(requests[0].headers["content-type"], "application/cloudevents-batch+json");
  assert.equal(requests[0].headers.authorization, "Bearer t");
  assert.deepEqual(JSON.parse(requests[0].body).map(({ id }) => id), ["u-1/4711", "u-1/4712"]);
});

test("a destination that is busy is asked again, not earlier than it says", () => {
  testHost({ env, answers: [{ status: 429, headers: { "Retry-After": "7" } }] });
  assert.throws(() => eventSink.saveEvents(firstTry, [testEvent()]), { tag: "retry", val: { reason: "the destination answered 429", afterMs: 7000 } });
});

test("the sink does not open without its URL", () => {
  testHost();
  assert.throws(() => eventSink.open(), { tag: "misconfigured", val: "the variable WEBHOOK_URL is not set" });
});

test("an event of a Node has no namespace in its subject", () => {
  const { subject } = cloudEvent(testEvent({ regarding: testObject({ kind: "Node", name: "n1" }) }));
  assert.equal(subject, "Node/n1");
});
