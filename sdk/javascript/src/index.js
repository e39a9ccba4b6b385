// What a sink in JavaScript is made of. The declarations, with the comments for authors, are in types/index.d.ts.
export { defineSink } from "./sink.js";
export { Retry, Refused, Misconfigured, SinkError } from "./errors.js";
export * as http from "./http.js";
export * as env from "./env.js";
export * as utf8 from "./utf8.js";
export { json, rfc3339 } from "./json.js";
export { rawEvent } from "./raw.js";
