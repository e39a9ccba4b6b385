// The host's functions, as the component imports them. Only this file names the contract's imports.
export { send, sendAll } from "kubedl:events/http@0.1.0";
export { getEnvironment } from "wasi:cli/environment@0.2.0";
export { get as rawEvent } from "kubedl:events/raw-event@0.1.0";
