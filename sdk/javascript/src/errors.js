// The ways not to store a batch.

const LONGEST_WAIT_MS = 0xffff_ffff;

export class SinkError extends Error {}

export class Retry extends SinkError {
  name = "Retry";

  constructor(reason, { afterMs } = {}) {
    super(reason);
    this.afterMs = wait(afterMs);
  }
}

export class Refused extends SinkError {
  name = "Refused";
}

export class Misconfigured extends SinkError {
  name = "Misconfigured";
}

/** The contract's form of an error that a sink threw; a bug is thrown on. */
export function toContract(error) {
  const reason = error?.message;
  if (error instanceof Retry) return { tag: "retry", val: { reason, afterMs: error.afterMs } };
  if (error instanceof Refused) return { tag: "refused", val: reason };
  if (error instanceof Misconfigured) return { tag: "misconfigured", val: reason };
  throw error;
}

/** Whole milliseconds that fit the contract's u32, never less than asked for. */
export function wait(ms) {
  if (ms === undefined || ms === null) return undefined;
  if (typeof ms !== "number" || Number.isNaN(ms)) throw new TypeError(`not a number of milliseconds: ${ms}`);
  return Math.min(Math.max(Math.ceil(ms), 0), LONGEST_WAIT_MS);
}
