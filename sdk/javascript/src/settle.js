// What an answer means for the events it was about.
import { Misconfigured, Refused, Retry } from "./errors.js";
import * as utf8 from "./utf8.js";

/** Characters of an answer's body that are told. */
const LONGEST_WORDS = 200;

const RETRIED = new Set([408, 425, 429]);
const TO_BE_MENDED = new Set([401, 403, 404, 405, 407, 410]);

export function settle(answer) {
  const outcome = answer.error === undefined ? ofResponse(answer) : ofError(answer.error);
  if (outcome !== undefined) throw outcome;
}

export function settleAll(answers) {
  const failed = [];
  answers.forEach((answer, index) => {
    const error = answer.error === undefined ? ofResponse(answer) : ofError(answer.error);
    if (error !== undefined) failed.push({ index, error });
  });
  if (failed.length > 0 && failed.length === answers.length) throwCommon(failed.map(({ error }) => error));
  return failed.map(({ index, error }) => ({
    index,
    retryable: !(error instanceof Refused),
    afterMs: error.afterMs,
    reason: error.message,
  }));
}

/** Where no event was stored: what a person must mend goes first, then a retry of all with the longest wait. */
function throwCommon(errors) {
  const mend = errors.find((error) => error instanceof Misconfigured);
  if (mend !== undefined) throw mend;
  if (!errors.every((error) => error instanceof Retry)) return;
  const waits = errors.map(({ afterMs }) => afterMs).filter((ms) => ms !== undefined);
  throw new Retry(errors[0].message, { afterMs: waits.length > 0 ? Math.max(...waits) : undefined });
}

function ofResponse(response) {
  const { status } = response;
  if (status >= 200 && status < 300) return undefined;
  const told = words(response.body);
  const reason = `the destination answered ${status}${told === "" ? "" : `: ${told}`}`;
  if ((status >= 300 && status < 400) || TO_BE_MENDED.has(status)) return new Misconfigured(reason);
  if (status >= 400 && status < 500 && !RETRIED.has(status)) return new Refused(reason);
  // 5xx; and what no destination should answer says nothing against the events either.
  return new Retry(reason, { afterMs: retryAfter(response) });
}

function ofError({ tag, val }) {
  const reason = (detail) => `no answer from the destination: ${tag.replaceAll("-", " ")}${detail ? `: ${detail}` : ""}`;
  if (tag === "denied" || tag === "invalid-request") return new Misconfigured(reason(val));
  if (tag === "request-too-large") return new Refused(reason(`at most ${val} bytes are granted`));
  return new Retry(reason(val));
}

/** Seconds only, as milliseconds: for a date the clocks of both sides would have to agree. */
function retryAfter(response) {
  const value = response.header("retry-after")?.trim() ?? "";
  return /^[0-9]{1,9}$/.test(value) ? Number(value) * 1000 : undefined;
}

/** The beginning of a body, if it is text: UTF-8 without control characters other than white space. */
function words(body) {
  // A character takes four bytes at most: more need not be looked at.
  const beginning = body.length > LONGEST_WORDS * 4 ? wholeCharacters(body.subarray(0, LONGEST_WORDS * 4)) : body;
  const text = utf8.decodeStrict(beginning)?.trim() ?? "";
  const told = [...text].slice(0, LONGEST_WORDS).join("");
  return /[\u0000-\u0008\u000e-\u001f\u007f-\u0084\u0086-\u009f]/.test(told) ? "" : told;
}

/** Without the beginning of a character at the end. */
function wholeCharacters(bytes) {
  for (let back = 1; back <= 3; back++) {
    const byte = bytes[bytes.length - back];
    if (byte < 0x80) break;
    if (byte >= 0xc0) {
      const length = byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
      return length > back ? bytes.subarray(0, bytes.length - back) : bytes;
    }
  }
  return bytes;
}
