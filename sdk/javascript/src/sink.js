// From an author's four functions to what the contract's world exports.
import { toContract, wait } from "./errors.js";

export function defineSink(sink) {
  return {
    describe: () => description(sink.describe()),
    open: () => void call(sink, "open"),
    saveEvents: (batch, events) => failures(call(sink, "save", unsigned(batch, "attempt"), events.map(event))),
    close: () => void call(sink, "close"),
  };
}

/** Errors of the SDK become the contract's; any other exception is a bug of the sink and ends the instance. */
function call(sink, name, ...given) {
  if (sink[name] === undefined && name !== "save") return undefined;
  let result;
  try {
    result = sink[name](...given);
  } catch (error) {
    throw toContract(error);
  }
  if (typeof result?.then === "function") {
    throw new TypeError(`${name} is asynchronous; all calls of a sink block, so leave out async and await`);
  }
  return result;
}

/** componentize-qjs 0.4.5 gives an u32 beyond 2^31 as a negative number. */
function unsigned(record, key) {
  return { ...record, [key]: record[key] >>> 0 };
}

/** It gives null for what is absent, and numbers for 64 bits, where the declarations of the contract have undefined and bigint. */
function event(given) {
  const { firstTimestamp, lastTimestamp, observedAt, related, job, region, cluster } = given;
  return {
    ...unsigned(given, "count"),
    firstTimestamp: timestamp(firstTimestamp),
    lastTimestamp: timestamp(lastTimestamp),
    observedAt: timestamp(observedAt),
    related: related ?? undefined,
    job: job ?? undefined,
    region: region ?? undefined,
    cluster: cluster ?? undefined,
  };
}

function timestamp({ seconds, nanoseconds }) {
  return { seconds: Number(seconds), nanoseconds };
}

function failures(list) {
  // Nothing returned is more often forgotten than meant, and would count as "all stored".
  if (!Array.isArray(list)) throw new TypeError("save returned no list of failures; return [] when all events are stored");
  return list.map(({ index, retryable, afterMs, reason }) => ({ index, retryable, afterMs: wait(afterMs), reason }));
}

function description({ name, version, summary, env = [], hosts = [], batchEvents = 0, batchBytes = 0, attributes = [] }) {
  return {
    name,
    version,
    summary,
    env: env.map(({ name, help, required = false, secret = false }) => ({ name, help, required, secret })),
    hosts,
    batchEvents,
    batchBytes,
    attributes,
  };
}
