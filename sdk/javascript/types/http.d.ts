/// <reference path="../contract/interfaces/kubedl-events-http.d.ts" />
import type * as contract from "kubedl:events/http@0.1.0";
import type { Failure } from "./index.js";

/** Why there is no answer: `{tag, val}` with the contract's twelve cases. After `timeout`, `interrupted`, `protocol` and `other` the
 * destination may have acted on the request; after the others it certainly has not. */
export type HttpError = contract.Error;

/** A request, sent by the host within the operator's grant. */
export interface Request {
  /** `GET`, `POST`, ... */
  method: string;
  /** Absolute, `http` or `https`. */
  url: string;
  /** `Host`, `Content-Length` and the like are the host's own to set. */
  headers?: Record<string, string | Uint8Array> | [string, string | Uint8Array][];
  /** Text is sent as UTF-8. */
  body?: string | Uint8Array;
  /** For the whole exchange, in milliseconds; never more than the call that it is part of has left. */
  timeoutMs?: number;
}

/** An answer of any status: 4xx and 5xx are answers too, and so is 3xx, since redirects are not followed. */
export class Response {
  readonly error: undefined;
  readonly status: number;
  readonly headers: [string, string][];
  readonly body: Uint8Array;
  /** The body was longer than the grant allows, and was cut there. */
  readonly truncated: boolean;
  /** The value of the first header of this name, in any case. */
  header(name: string): string | undefined;
  /** The body as UTF-8, with U+FFFD for what is not. */
  text(): string;
}

export class NoAnswer {
  readonly error: HttpError;
}

/** `answer.error` tells which. */
export type Answer = Response | NoAnswer;

/** Sends one request and waits for its answer. */
export function send(request: Request): Answer;

/** Sends many side by side, in no order among them; answers come in the order of the requests. After a connect error, 429 or 503 no new
 * request is started, and the rest is `not-sent`. */
export function sendAll(requests: Request[]): Answer[];

/**
 * Throws what an answer means for the events it was about, unless they are stored:
 *
 * | answer | means |
 * |---|---|
 * | 2xx | stored |
 * | 408, 425, 429, 5xx | `Retry`, not before the seconds of `Retry-After` |
 * | 3xx, 401, 403, 404, 405, 407, 410 | `Misconfigured` |
 * | other 4xx | `Refused` |
 * | denied, invalid-request | `Misconfigured` |
 * | request-too-large | `Refused` |
 * | no answer for another reason | `Retry` |
 */
export function settle(answer: Answer): void;

/** The same for answers that each are about one event, in the order of the events: what `save` returns. Throws where no event was stored,
 * and all need the same: a person, or a later try. */
export function settleAll(answers: Answer[]): Failure[];
