import type { HttpError } from "./http.js";
import type { Event, ObjectReference } from "./index.js";

/** What the destination answers: 200 without a body unless told. */
export type TestAnswer =
  | { status?: number; headers?: Record<string, string>; body?: string; truncated?: boolean }
  | { error: HttpError };

/** A request as the destination saw it: names of headers in lower case. */
export interface TestRequest {
  method: string;
  url: string;
  headers: Record<string, string>;
  body: string;
  timeoutMs: number | undefined;
}

/** Plays the host from now on: these variables, these answers in turn (the last one repeats), this raw JSON of events. Returns the list
 * that requests are added to. */
export function testHost(host?: { env?: Record<string, string>; answers?: TestAnswer[]; raw?: string[] }): { requests: TestRequest[] };

/** A whole event, with these fields instead of its own. */
export function testEvent(fields?: Partial<Event>): Event;

/** An object reference with these fields; the others are empty. */
export function testObject(fields?: Partial<ObjectReference>): ObjectReference;
