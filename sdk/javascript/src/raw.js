// The events of the batch as Kubernetes has them.
import * as host from "#host";

export function rawEvent(index) {
  return host.rawEvent(index) ?? undefined; // QuickJS gives null
}
