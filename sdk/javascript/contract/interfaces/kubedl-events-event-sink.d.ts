/// <reference path="./kubedl-events-types.d.ts" />
declare module 'kubedl:events/event-sink@0.1.0' {
  /**
   * Must answer without environment, network, or `open`.
   */
  export function describe(): Description;
  /**
   * Called once before the first `save-events`: read the environment, check it, no more than one round trip.
   */
  export function open(): void;
  /**
   * Store these events, in this order where the destination has one. Ok names those that were not stored; all others were.
   */
  export function saveEvents(batch: Batch, events: Array<Event>): Array<Failure>;
  /**
   * The last call, if there is one.
   */
  export function close(): void;
  export type Event = import('kubedl:events/types@0.1.0').Event;
  export type Attributes = import('kubedl:events/types@0.1.0').Attributes;
  /**
   * An environment variable that the sink reads.
   */
  export interface EnvVar {
    name: string,
    /**
     * One sentence for the operator.
     */
    help: string,
    /**
     * `open` fails without it.
     */
    required: boolean,
    /**
     * Its value must not be shown.
     */
    secret: boolean,
  }
  /**
   * What the sink is and wants. Wishes only: what it gets is in the operator's grant.
   */
  export interface Description {
    /**
     * As in `--event-storage`: `aliyun-sls`.
     */
    name: string,
    /**
     * The sink's own version.
     */
    version: string,
    /**
     * One line.
     */
    summary: string,
    env: Array<EnvVar>,
    /**
     * Destinations in the form of a grant, over variables of `env`: `https://${SLS_PROJECT}.${SLS_ENDPOINT}`.
     */
    hosts: Array<string>,
    /**
     * The largest number of events that the sink likes at once; 0 means no wish.
     */
    batchEvents: number,
    /**
     * The same in bytes, counted as the events' JSON; 0 means no wish.
     */
    batchBytes: bigint,
    attributes: Attributes,
  }
  /**
   * About the call, not about the events.
   */
  export interface Batch {
    /**
     * 0 at the first try of these events, one more at each further try.
     */
    attempt: number,
    /**
     * A try before may have stored some of them: also after a restart, or when an instance died.
     */
    maybeSent: boolean,
    attributes: Attributes,
  }
  /**
   * One event that was not stored.
   */
  export interface Failure {
    /**
     * Its place in the list that was given.
     */
    index: number,
    /**
     * True: try it again. False: it never will be; the host keeps it among the sink's dead letters.
     */
    retryable: boolean,
    /**
     * For a retry: not earlier than so many milliseconds from now.
     */
    afterMs?: number,
    /**
     * For the operator.
     */
    reason: string,
  }
  /**
   * Ask to come again later.
   */
  export interface Retry {
    /**
     * For the operator.
     */
    reason: string,
    /**
     * Not earlier than so many milliseconds from now.
     */
    afterMs?: number,
  }
  /**
   * Why a call achieved nothing.
   */
  export type Error = ErrorRetry | ErrorRefused | ErrorMisconfigured;
  /**
   * Nothing is known to be stored; try the same events again.
   */
  export interface ErrorRetry {
    tag: 'retry',
    val: Retry,
  }
  /**
   * Nothing was stored, and never will be as a whole: the host looks for the event to blame.
   */
  export interface ErrorRefused {
    tag: 'refused',
    val: string,
  }
  /**
   * Settings, credentials or the destination must be mended by a person; the events wait.
   */
  export interface ErrorMisconfigured {
    tag: 'misconfigured',
    val: string,
  }
}
