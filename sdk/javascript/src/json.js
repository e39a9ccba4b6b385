// The JSON view of an event: the keys of the sink `stdout`, in its order.

/** 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z: what four digits of a year can say; others become the nearest. */
const EARLIEST = -62_135_596_800;
const LATEST = 253_402_300_799;

export function json(event) {
  const view = {
    lastTimestamp: rfc3339(event.lastTimestamp),
    type: event.type,
    reason: event.reason,
    regarding: reference(event.regarding),
    message: event.message,
    count: event.count,
    firstTimestamp: rfc3339(event.firstTimestamp),
    observedAt: rfc3339(event.observedAt),
    namespace: event.namespace,
    name: event.name,
    uid: event.uid,
    resourceVersion: event.resourceVersion,
  };
  if (event.component !== "") view.component = event.component;
  if (event.host !== "") view.host = event.host;
  if (event.instance !== "") view.instance = event.instance;
  if (event.action !== "") view.action = event.action;
  if (event.related !== undefined) view.related = reference(event.related);
  if (event.job !== undefined) view.job = reference(event.job);
  if (event.region !== undefined) view.region = event.region;
  if (event.cluster !== undefined) view.cluster = event.cluster;
  if (event.labels.length > 0) view.labels = labels(event.labels);
  return view;
}

export function rfc3339({ seconds, nanoseconds }) {
  const sayable = Math.min(Math.max(seconds, EARLIEST), LATEST);
  const whole = new Date(sayable * 1000).toISOString().slice(0, 19);
  if (nanoseconds === 0) return `${whole}Z`;
  return `${whole}.${String(nanoseconds).padStart(9, "0").replace(/0+$/, "")}Z`;
}

function reference(object) {
  const view = {};
  for (const key of ["kind", "namespace", "name", "uid", "apiVersion", "fieldPath"]) {
    if (object[key] !== "") view[key] = object[key];
  }
  return view;
}

/** Sorted; of a key that comes twice the last counts. `fromEntries`, because assigning to `__proto__` makes no key. */
function labels(pairs) {
  return Object.fromEntries([...pairs].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
}
