// For tests of a sink in Node: a host that plays the destination, and events to save.
import { host } from "./host-of-tests.js";
import * as utf8 from "./utf8.js";

export function testHost({ env = {}, answers = [], raw = [] } = {}) {
  const requests = [];
  const answer = (request) => {
    requests.push(written(request));
    return toContract(answers[Math.min(requests.length, answers.length) - 1] ?? {});
  };
  host.send = (request) => {
    const { tag, val } = answer(request);
    if (tag === "err") throw Object.assign(new Error(val.tag), { payload: val });
    return val;
  };
  host.sendAll = (list) => list.map(answer);
  host.getEnvironment = () => Object.entries(env);
  host.rawEvent = (index) => raw[index];
  return { requests };
}

export function testEvent(fields = {}) {
  const at = { seconds: 1_795_429_966, nanoseconds: 0 };
  return {
    uid: "u-1",
    resourceVersion: "4711",
    namespace: "train",
    name: "p.17a",
    type: "Warning",
    reason: "BackOff",
    action: "",
    message: "m",
    count: 1,
    firstTimestamp: at,
    lastTimestamp: at,
    observedAt: at,
    component: "",
    host: "",
    instance: "",
    regarding: testObject({ kind: "Pod", namespace: "train", name: "p" }),
    related: undefined,
    job: undefined,
    region: undefined,
    cluster: undefined,
    labels: [],
    attributes: [],
    ...fields,
  };
}

export function testObject(fields = {}) {
  return { apiVersion: "", kind: "", namespace: "", name: "", uid: "", fieldPath: "", ...fields };
}

function written({ method, url, headers, body, timeoutMs }) {
  const texts = headers.map(([name, value]) => [name.toLowerCase(), utf8.decode(value)]);
  return { method, url, headers: Object.fromEntries(texts), body: utf8.decode(body), timeoutMs };
}

function toContract({ error, status = 200, headers = {}, body = "", truncated = false }) {
  if (error !== undefined) return { tag: "err", val: error };
  const pairs = Object.entries(headers).map(([name, value]) => [name, utf8.encode(value)]);
  return { tag: "ok", val: { status, headers: pairs, body: utf8.encode(body), truncated } };
}
