// What became of a call or of an event, and the environment, whose absence is an outcome.
#include <stdlib.h>
#include <string.h>

#include "../kubedl_events_sink.h"

static kes_outcome make(kes_kind kind, const char *reason) {
  size_t size = strlen(reason) + 1;
  char *copy = malloc(size);
  if (copy == NULL) abort();
  memcpy(copy, reason, size);
  return (kes_outcome){.kind = kind, .reason = copy};
}

kes_outcome kes_ok(void) { return (kes_outcome){.kind = KES_OK}; }
kes_outcome kes_retry(const char *reason) { return make(KES_RETRY, reason); }
kes_outcome kes_refused(const char *reason) { return make(KES_REFUSED, reason); }
kes_outcome kes_misconfigured(const char *reason) { return make(KES_MISCONFIGURED, reason); }

kes_outcome kes_retry_after(const char *reason, uint32_t after_ms) {
  kes_outcome outcome = make(KES_RETRY, reason);
  outcome.has_after = true;
  outcome.after_ms = after_ms;
  return outcome;
}

void kes_outcome_free(kes_outcome *outcome) {
  free(outcome->reason);
  outcome->reason = NULL;
}

kes_string kes_outcome_reason(kes_outcome *outcome) {
  kes_string reason = {(uint8_t *)outcome->reason, strlen(outcome->reason)};
  if (reason.len == 0) kes_outcome_free(outcome);
  outcome->reason = NULL;
  return reason.len == 0 ? (kes_string){0} : reason;
}

void kes_failures_add(kes_failures *failures, size_t index, kes_outcome outcome) {
  if (outcome.kind == KES_OK) return;
  if (failures->len == failures->cap) {
    failures->cap = failures->cap == 0 ? 8 : failures->cap * 2;
    failures->ptr = realloc(failures->ptr, failures->cap * sizeof *failures->ptr);
    if (failures->ptr == NULL) abort();
  }
  failures->ptr[failures->len++] = (exports_kubedl_events_event_sink_failure_t){
      .index = (uint32_t)index,
      .retryable = outcome.kind != KES_REFUSED,
      .after_ms = {.is_some = outcome.has_after, .val = outcome.after_ms},
      .reason = kes_outcome_reason(&outcome),
  };
}

const char *kes_env_get(const char *name) {
  const char *value = getenv(name);
  return value != NULL && value[0] != '\0' ? value : NULL;
}

kes_outcome kes_env_require(const char *name, const char **value) {
  *value = kes_env_get(name);
  if (*value != NULL) return kes_ok();
  kes_buffer reason = {0};
  kes_buffer_text(&reason, "the variable ");
  kes_buffer_text(&reason, name);
  kes_buffer_add(&reason, " is not set", sizeof " is not set");
  kes_outcome outcome = kes_misconfigured(reason.ptr);
  kes_buffer_free(&reason);
  return outcome;
}
