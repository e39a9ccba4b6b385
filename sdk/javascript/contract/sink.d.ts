/// <reference path="./interfaces/kubedl-events-event-sink.d.ts" />
/// <reference path="./interfaces/kubedl-events-http.d.ts" />
/// <reference path="./interfaces/kubedl-events-raw-event.d.ts" />
/// <reference path="./interfaces/kubedl-events-types.d.ts" />
/// <reference path="./interfaces/wasi-cli-environment.d.ts" />
declare module 'kubedl:events/sink@0.1.0' {
  export type * as KubedlEventsHttp010 from 'kubedl:events/http@0.1.0'; // import kubedl:events/http@0.1.0
  export type * as KubedlEventsRawEvent010 from 'kubedl:events/raw-event@0.1.0'; // import kubedl:events/raw-event@0.1.0
  export type * as KubedlEventsTypes010 from 'kubedl:events/types@0.1.0'; // import kubedl:events/types@0.1.0
  export type * as WasiCliEnvironment020 from 'wasi:cli/environment@0.2.0'; // import wasi:cli/environment@0.2.0
  export * as eventSink from 'kubedl:events/event-sink@0.1.0'; // export kubedl:events/event-sink@0.1.0
}
