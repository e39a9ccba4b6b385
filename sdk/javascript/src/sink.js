// From an author's four functions to what the contract's world exports.
import { toContract, wait } from "./errors.js";

export function defineSink(sink) {
  return {
    describe: () => description(sink.describe()),
    open: () => void call(sink, "open"),
    saveEvents: (batch, events) => failures(call(sink, "save", batch, events.map(mended))),
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

/**
 * Mends what componentize-qjs 0.4.5 gives, where it is: an u32 beyond 2^31 is a negative number, what is absent is null, and 64 bits are
 * numbers or, in the declarations of the contract, bigint.
 */
function mended(event) {
  event.count >>>= 0;
  for (const key of MOMENTS) event[key].seconds = Number(event[key].seconds);
  for (const key of OPTIONS) event[key] ??= undefined;
  return event;
}

const MOMENTS = ["firstTimestamp", "lastTimestamp", "observedAt"];
const OPTIONS = ["related", "job", "region", "cluster"];

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
