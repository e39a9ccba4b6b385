// Stands for host.js in Node (package.json, "imports"), so that a sink's own code runs in tests without WebAssembly.
// What it answers is set by testing.js.

/** The functions in use; `testing.js` replaces them. */
export const host = {
  send: () => absent(),
  sendAll: () => absent(),
  getEnvironment: () => absent(),
  rawEvent: () => absent(),
};

export const send = (request) => host.send(request);
export const sendAll = (requests) => host.sendAll(requests);
export const getEnvironment = () => host.getEnvironment();
export const rawEvent = (index) => host.rawEvent(index);

function absent() {
  throw new Error("there is no host in Node: call testHost() of @kubedl-events/sink/testing first");
}
