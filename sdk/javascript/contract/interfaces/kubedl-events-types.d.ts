declare module 'kubedl:events/types@0.1.0' {
  /**
   * A moment, since 1970-01-01T00:00:00Z.
   */
  export interface Timestamp {
    /**
     * Whole seconds; negative before 1970.
     */
    seconds: bigint,
    /**
     * The rest, always below 1,000,000,000.
     */
    nanoseconds: number,
  }
  /**
   * Key and value pairs, in no promised order: the one place where a record can grow within 0.1.
   */
  export type Attributes = Array<[string, string]>;
  /**
   * A Kubernetes object that an event points at. A field that Kubernetes left out is the empty string.
   */
  export interface ObjectReference {
    /**
     * Group and version as in a manifest: `v1`, `training.kubedl.io/v1alpha1`.
     */
    apiVersion: string,
    /**
     * `Pod`, `PyTorchJob`, ...
     */
    kind: string,
    /**
     * Empty for an object of the whole cluster, such as a Node.
     */
    namespace: string,
    name: string,
    uid: string,
    /**
     * The part that is meant: `spec.containers{main}`.
     */
    fieldPath: string,
  }
  /**
   * One version of one Kubernetes Event, normalized from core/v1 or events.k8s.io/v1.
   * `(uid, resource-version)` is its identity: the same pair always means the same content.
   */
  export interface Event {
    /**
     * `metadata.uid` of the Event itself.
     */
    uid: string,
    /**
     * `metadata.resourceVersion`: opaque, another one for every update of the Event.
     */
    resourceVersion: string,
    /**
     * `metadata.namespace`.
     */
    namespace: string,
    /**
     * `metadata.name`.
     */
    name: string,
    /**
     * `Normal`, `Warning`, or whatever a client wrote.
     */
    type: string,
    /**
     * A short word for machines: `BackOff`.
     */
    reason: string,
    /**
     * What was done or attempted; mostly empty for core/v1.
     */
    action: string,
    /**
     * A sentence for people (`message`, or `note` of events.k8s.io/v1); may be long.
     */
    message: string,
    /**
     * How often it has happened so far: `series.count`, else `count`, else 1. Never 0.
     */
    count: number,
    /**
     * When it first happened. Always filled: the last choice is `metadata.creationTimestamp`.
     */
    firstTimestamp: Timestamp,
    /**
     * When it last happened: `series.lastObservedTime`, `lastTimestamp`, `eventTime`, `firstTimestamp` or
     * `metadata.creationTimestamp`, the first of them that is there.
     */
    lastTimestamp: Timestamp,
    /**
     * When the watcher saw this version.
     */
    observedAt: Timestamp,
    /**
     * `source.component`, else `reportingComponent` (`reportingController`): who says so.
     */
    component: string,
    /**
     * `source.host`: mostly a node.
     */
    host: string,
    /**
     * `reportingInstance`: mostly a Pod.
     */
    instance: string,
    /**
     * What it is about (`involvedObject`, or `regarding`).
     */
    regarding: ObjectReference,
    /**
     * A second object, where the event has one.
     */
    related?: ObjectReference,
    /**
     * The KubeDL job that controls the object, or the object itself where it is one; its field-path is empty.
     */
    job?: ObjectReference,
    /**
     * The operator's `--region` or `REGION`.
     */
    region?: string,
    /**
     * The operator's `--cluster`.
     */
    cluster?: string,
    /**
     * Labels of the Pod, those that the operator asked for.
     */
    labels: Attributes,
    /**
     * Room to grow; empty in 0.1.0.
     */
    attributes: Attributes,
  }
}
