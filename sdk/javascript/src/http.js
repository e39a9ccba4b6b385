// Requests and their answers.
import * as host from "#host";
import { wait } from "./errors.js";
import * as utf8 from "./utf8.js";

export { settle, settleAll } from "./settle.js";

export class Response {
  error = undefined;

  constructor({ status, headers, body, truncated }) {
    this.status = status;
    this.headers = headers.map(([name, value]) => [name, utf8.decode(value)]);
    this.body = body;
    this.truncated = truncated;
  }

  header(name) {
    const wanted = name.toLowerCase();
    return this.headers.find(([key]) => key.toLowerCase() === wanted)?.[1];
  }

  text() {
    return utf8.decode(this.body);
  }
}

export class NoAnswer {
  constructor(error) {
    this.error = error;
  }
}

export function send(request) {
  const sent = toContract(request);
  try {
    return new Response(host.send(sent));
  } catch (thrown) {
    return new NoAnswer(errorOf(thrown));
  }
}

export function sendAll(requests) {
  const answers = host.sendAll(requests.map(toContract));
  return answers.map(({ tag, val }) => (tag === "ok" ? new Response(val) : new NoAnswer(val)));
}

function toContract({ method, url, headers = {}, body = "", timeoutMs }) {
  const pairs = Array.isArray(headers) ? headers : Object.entries(headers);
  return {
    method,
    url,
    headers: pairs.map(([name, value]) => [name, toBytes(value)]),
    body: toBytes(body),
    timeoutMs: wait(timeoutMs),
  };
}

function toBytes(value) {
  return typeof value === "string" ? utf8.encode(value) : value;
}

/** The contract's error in what the binding threw; anything else is a bug. */
function errorOf(thrown) {
  const error = thrown?.payload;
  if (typeof error?.tag !== "string") throw thrown;
  return error;
}
