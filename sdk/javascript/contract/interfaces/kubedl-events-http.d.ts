declare module 'kubedl:events/http@0.1.0' {
  /**
   * Sends one request and waits for its answer.
   */
  export function send(request: Request): Response;
  /**
   * Sends many side by side, in no order among them, at most as many at a time as the grant's width; answers in the order
   * of the requests. After a connect error, 429 or 503 no new request is started, and the rest is `not-sent`.
   */
  export function sendAll(requests: Array<Request>): Array<Result<Response, Error>>;
  /**
   * Names in any case, values as bytes, in order; a name may come more than once.
   */
  export type Headers = Array<[string, Uint8Array]>;
  /**
   * `Host`, `Content-Length` and the other headers that frame a message are the host's own to set.
   */
  export interface Request {
    /**
     * `GET`, `POST`, ...
     */
    method: string,
    /**
     * Absolute, `http` or `https`. No user and password in it.
     */
    url: string,
    headers: Headers,
    /**
     * May be empty.
     */
    body: Uint8Array,
    /**
     * For the whole exchange, in milliseconds; never more than the call that it is part of has left.
     */
    timeoutMs?: number,
  }
  /**
   * An answer of any status: 4xx and 5xx are answers too.
   */
  export interface Response {
    status: number,
    headers: Headers,
    body: Uint8Array,
    /**
     * The body was longer than the grant allows, and was cut there.
     */
    truncated: boolean,
  }
  /**
   * Why there is no answer. The first eight are certain that the destination was not asked; after the last four it may have
   * acted on the request.
   */
  export type Error = ErrorDenied | ErrorInvalidRequest | ErrorRequestTooLarge | ErrorDns | ErrorConnect | ErrorTls | ErrorProxy | ErrorNotSent | ErrorTimeout | ErrorInterrupted | ErrorProtocol | ErrorOther;
  /**
   * Outside the grant; the text names the host and what to add.
   */
  export interface ErrorDenied {
    tag: 'denied',
    val: string,
  }
  /**
   * Not a request that can be sent: its URL, method or a header is malformed or not a guest's to set.
   */
  export interface ErrorInvalidRequest {
    tag: 'invalid-request',
    val: string,
  }
  /**
   * The body is over the grant's limit, given in bytes.
   */
  export interface ErrorRequestTooLarge {
    tag: 'request-too-large',
    val: bigint,
  }
  /**
   * The name could not be resolved.
   */
  export interface ErrorDns {
    tag: 'dns',
    val: string,
  }
  /**
   * No connection could be made.
   */
  export interface ErrorConnect {
    tag: 'connect',
    val: string,
  }
  /**
   * No secure connection could be made.
   */
  export interface ErrorTls {
    tag: 'tls',
    val: string,
  }
  /**
   * The operator's proxy refused, or could not be reached.
   */
  export interface ErrorProxy {
    tag: 'proxy',
    val: string,
  }
  /**
   * Never started, for another reason.
   */
  export interface ErrorNotSent {
    tag: 'not-sent',
    val: string,
  }
  /**
   * No whole answer came within the time.
   */
  export interface ErrorTimeout {
    tag: 'timeout',
  }
  /**
   * The connection ended before the whole answer.
   */
  export interface ErrorInterrupted {
    tag: 'interrupted',
    val: string,
  }
  /**
   * The answer was not HTTP.
   */
  export interface ErrorProtocol {
    tag: 'protocol',
    val: string,
  }
  /**
   * Anything else.
   */
  export interface ErrorOther {
    tag: 'other',
    val: string,
  }
  export type Result<T, E> = { tag: 'ok', val: T } | { tag: 'err', val: E };
}
