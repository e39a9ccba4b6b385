/// <reference path="../contract/interfaces/kubedl-events-types.d.ts" />
/// <reference path="../contract/interfaces/kubedl-events-http.d.ts" />
/// <reference path="../contract/interfaces/kubedl-events-event-sink.d.ts" />
import type * as contract from "kubedl:events/event-sink@0.1.0";
import type * as contractTypes from "kubedl:events/types@0.1.0";

export * as http from "./http.js";
export * as env from "./env.js";
export * as utf8 from "./utf8.js";

/** A Kubernetes object that an event points at. A field that Kubernetes left out is the empty string. */
export type ObjectReference = contractTypes.ObjectReference;
/** About the call, not about the events. */
export type Batch = contract.Batch;
/** One event that was not stored. `afterMs` is in milliseconds. */
export type Failure = contract.Failure;

/** A moment: seconds since 1970-01-01T00:00:00Z, negative before, and the rest, always below 1,000,000,000. */
export interface Timestamp {
  /** Whole seconds; exact for 285 million years around 1970. */
  seconds: number;
  nanoseconds: number;
}

/** One version of one Kubernetes Event. `(uid, resourceVersion)` is its identity. What is optional is undefined where absent. */
export interface Event extends Omit<contractTypes.Event, "firstTimestamp" | "lastTimestamp" | "observedAt"> {
  firstTimestamp: Timestamp;
  lastTimestamp: Timestamp;
  observedAt: Timestamp;
}

/** What the sink is and wants. Wishes only: what it gets is in the operator's grant. */
export interface Description {
  name: string;
  /** The sink's own version. */
  version: string;
  /** One line. */
  summary: string;
  /** The variables it reads; `required` and `secret` are false unless given. */
  env?: { name: string; help: string; required?: boolean; secret?: boolean }[];
  /** Destinations in the form of a grant, over variables of `env`: `https://${SLS_PROJECT}.${SLS_ENDPOINT}`. */
  hosts?: string[];
  /** The largest number of events that the sink likes at once; 0 means no wish. */
  batchEvents?: number;
  /** The same in bytes, counted as the events' JSON; 0 means no wish. */
  batchBytes?: number;
  attributes?: [string, string][];
}

/**
 * What an author writes. None of it may be asynchronous: all calls block. An exception that is not a `SinkError` is a bug: it ends the
 * instance, its text goes to the host's log, and the host tries the events again in smaller and smaller batches to find the one to blame.
 */
export interface Sink {
  /** Must answer without environment, network, or `open`. */
  describe(): Description;
  /** Called once before the first `save`: read the environment, check it, no more than one round trip. */
  open?(): void;
  /** Store these events. Returns those that were not stored; all others must be. */
  save(batch: Batch, events: Event[]): Failure[];
  /** The last call, if there is one. */
  close?(): void;
}

/** What the component exports: name it `eventSink`. */
export interface EventSink {
  describe(): Required<Description>;
  open(): void;
  saveEvents(batch: Batch, events: Event[]): Failure[];
  close(): void;
}

/** `export const eventSink = defineSink({...})`. */
export function defineSink(sink: Sink): EventSink;

/** A way not to store; its message is for the operator. */
export class SinkError extends Error {}

/** Nothing is known to be stored; try the same events again. */
export class Retry extends SinkError {
  /** `afterMs`: not earlier than so many milliseconds from now. */
  constructor(reason: string, options?: { afterMs?: number });
  readonly afterMs: number | undefined;
}

/** Nothing was stored, and never will be as a whole: the host looks for the event to blame. */
export class Refused extends SinkError {
  constructor(reason: string);
}

/** A person must mend settings, credentials or the destination; the events wait. */
export class Misconfigured extends SinkError {
  constructor(reason: string);
}

/** An event as JSON: the keys that the sink `stdout` prints. An object has only the fields that are not empty. */
export interface EventView {
  lastTimestamp: string;
  type: string;
  reason: string;
  regarding: ObjectView;
  message: string;
  count: number;
  firstTimestamp: string;
  observedAt: string;
  namespace: string;
  name: string;
  uid: string;
  resourceVersion: string;
  component?: string;
  host?: string;
  instance?: string;
  action?: string;
  related?: ObjectView;
  job?: ObjectView;
  region?: string;
  cluster?: string;
  labels?: Record<string, string>;
}

export type ObjectView = Partial<ObjectReference>;

/** The JSON view of an event, for `JSON.stringify`. */
export function json(event: Event): EventView;

/** RFC 3339 in UTC, with as many digits after the second as there are; years before 1 and after 9999 become the nearest that can be said. */
export function rfc3339(moment: Timestamp): string;

/** The event at this place of the batch that is being saved as Kubernetes' own JSON (core/v1, without managedFields); undefined beyond its end. */
export function rawEvent(index: number): string | undefined;
