// Sinks of kubedl-events in C. An author writes sink_describe and sink_save, and where needed sink_open and sink_close.
//
// Memory: what a function of this header returns or fills is told with its owner. When there is no memory, the instance ends (a trap):
// the host replaces it, and tries the events again.
#ifndef KUBEDL_EVENTS_SINK_H
#define KUBEDL_EVENTS_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bindings/sink.h"

#ifdef __cplusplus
extern "C" {
#endif

// ---- What a sink is given. The fields, with their meaning, are in bindings/sink.h.

// UTF-8 of `len` bytes at `ptr`; no zero at the end, and there may be zeros within.
typedef sink_string_t kes_string;
// Seconds since 1970 and nanoseconds.
typedef kubedl_events_types_timestamp_t kes_timestamp;
// A Kubernetes object; fields that are absent are empty.
typedef kubedl_events_types_object_reference_t kes_object;
// One version of one Kubernetes Event. `uid` and `resource_version` are its identity.
typedef kubedl_events_types_event_t kes_event;
// About the call: `attempt`, `maybe_sent`.
typedef exports_kubedl_events_event_sink_batch_t kes_batch;

// ---- What a sink says of itself.

typedef struct {
  const char *name;
  const char *help;  // one sentence for the operator
  bool required;     // sink_open fails without it
  bool secret;       // its value must not be shown
} kes_env_var;

typedef struct {
  const char *name;
  const char *version;  // the sink's own
  const char *summary;  // one line
  const kes_env_var *env;
  size_t env_count;
  const char *const *hosts;  // destinations in the form of a grant: "https://${SLS_PROJECT}.${SLS_ENDPOINT}"
  size_t host_count;
  uint32_t batch_events;  // the most events it likes at once; 0 means no wish
  uint64_t batch_bytes;   // the same in bytes, counted as the events' JSON
} kes_description;

// ---- What became of a call.

typedef enum { KES_OK, KES_RETRY, KES_REFUSED, KES_MISCONFIGURED } kes_kind;

typedef struct {
  kes_kind kind;
  char *reason;        // for the operator; owned by whoever has the outcome, freed where it is returned or handed over
  bool has_after;      // for KES_RETRY: not earlier than
  uint32_t after_ms;   // so many milliseconds from now
} kes_outcome;

// Done; of sink_save: stored, but for the failures that were added.
kes_outcome kes_ok(void);
// Nothing is known to be stored; try the same events again. The text is copied, here and below.
kes_outcome kes_retry(const char *reason);
kes_outcome kes_retry_after(const char *reason, uint32_t after_ms);
// Nothing was stored, and never will be as a whole: the host looks for the event to blame.
kes_outcome kes_refused(const char *reason);
// A person must mend settings, credentials or the destination; the events wait.
kes_outcome kes_misconfigured(const char *reason);
// Frees the reason.
void kes_outcome_free(kes_outcome *outcome);
// Takes the reason out of an outcome, for a record of the contract: to be freed where it is not empty.
kes_string kes_outcome_reason(kes_outcome *outcome);

// The events of a batch that were not stored.
typedef struct {
  exports_kubedl_events_event_sink_failure_t *ptr;
  size_t len, cap;
} kes_failures;

// The event at `index` was not stored; takes the outcome. KES_REFUSED: it never will be. Any other: try it again. KES_OK adds nothing.
void kes_failures_add(kes_failures *failures, size_t index, kes_outcome outcome);

// ---- What an author writes. All calls block; none overlaps another on the same instance.

// Must answer without environment, network, or sink_open. The description and its texts must stay where they are.
const kes_description *sink_describe(void);
// Called once before the first sink_save: read the environment, check it, no more than one round trip. Does nothing unless written.
kes_outcome sink_open(void);
// Stores these events. All that are not added to `failures` must be stored when it answers KES_OK. The events are the caller's.
kes_outcome sink_save(const kes_batch *batch, const kes_event *events, size_t count, kes_failures *failures);
// The last call, if there is one. Does nothing unless written.
kes_outcome sink_close(void);

// ---- The environment.

// The value of a variable; NULL where it is unset or empty.
const char *kes_env_get(const char *name);
// As kes_env_get, for a variable that must be there: else KES_MISCONFIGURED, "the variable NAME is not set".
kes_outcome kes_env_require(const char *name, const char **value);

// ---- HTTP, sent by the host within the operator's grant. Redirects are not followed: a 3xx is an answer.

typedef struct {
  const char *name;
  const char *value;
} kes_header;

typedef struct {
  const char *method;         // "GET", "POST", ...
  const char *url;            // absolute, http or https
  const kes_header *headers;  // Host, Content-Length and the like are the host's own to set
  size_t header_count;
  const void *body;
  size_t body_len;
  uint32_t timeout_ms;        // for the whole exchange; 0: what the call that it is part of has left
} kes_request;

// `is_err` false: `val.ok` with status, headers and body; 4xx and 5xx are answers too. True: `val.err`, why there is none.
typedef kubedl_events_http_result_response_error_t kes_answer;

// Sends one request and waits for its answer, which is the caller's to free.
kes_answer kes_http_send(const kes_request *request);
// Sends many side by side, in no order among them, into `answers[count]`, in the order of the requests; each is the caller's to free.
// After a connect error, 429 or 503 no new request is started, and the rest is not sent.
void kes_http_send_all(const kes_request *requests, size_t count, kes_answer *answers);
void kes_answer_free(kes_answer *answer);
// The value of the first header of this name, in any case; NULL where there is none or no answer. It is the answer's, `*len` bytes.
const char *kes_answer_header(const kes_answer *answer, const char *name, size_t *len);

// What an answer means for the events it was about:
//   2xx                               KES_OK
//   408, 425, 429, 5xx                KES_RETRY, not before the seconds of Retry-After
//   3xx, 401, 403, 404, 405, 407, 410 KES_MISCONFIGURED
//   other 4xx                         KES_REFUSED
//   denied, invalid request           KES_MISCONFIGURED
//   request too large                 KES_REFUSED
//   no answer for another reason      KES_RETRY
kes_outcome kes_http_settle(const kes_answer *answer);
// The same for answers that each are about one event, in the order of the events. Where no event was stored, and all need the same (a
// person, or a later try), that is the outcome; else the failures are added, and it is KES_OK.
kes_outcome kes_http_settle_all(const kes_answer *answers, size_t count, kes_failures *failures);

// ---- Text.

// Bytes that grow; begin with {0}.
typedef struct {
  char *ptr;
  size_t len, cap;
} kes_buffer;

void kes_buffer_add(kes_buffer *to, const void *bytes, size_t len);
void kes_buffer_text(kes_buffer *to, const char *text);
void kes_buffer_string(kes_buffer *to, kes_string text);
void kes_buffer_number(kes_buffer *to, uint64_t number);
// Empties it, and keeps its memory for the next time.
void kes_buffer_clear(kes_buffer *buffer);
void kes_buffer_free(kes_buffer *buffer);

// An event as a JSON object, with the keys of the sink `stdout`. What is optional and empty is left out.
void kes_json_event(kes_buffer *to, const kes_event *event);
// A JSON string with its quotes.
void kes_json_string(kes_buffer *to, kes_string text);
void kes_json_text(kes_buffer *to, const char *text);
// RFC 3339 in UTC, with as many digits after the second as there are; no quotes. Years are 0001 to 9999: others become the nearest.
void kes_rfc3339(kes_buffer *to, kes_timestamp moment);

// The event at this place of the batch that is being saved as Kubernetes' own JSON (core/v1, without managedFields), into `to`. False
// beyond the end of the batch, and outside sink_save.
bool kes_raw_event(uint32_t index, kes_buffer *to);

#ifdef __cplusplus
}
#endif
#endif
