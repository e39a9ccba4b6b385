// What the world exports, from the author's four functions. What is given back is freed by the bindings, so all of it is copied.
#include <stdlib.h>
#include <string.h>

#include "../kubedl_events_sink.h"

typedef exports_kubedl_events_event_sink_error_t contract_error;

// The bindings want the object file that describes the world; `kubedl-events sink component` knows the world itself.
void __component_type_object_force_link_sink(void);
void __component_type_object_force_link_sink(void) {}

__attribute__((weak)) kes_outcome sink_open(void) { return kes_ok(); }
__attribute__((weak)) kes_outcome sink_close(void) { return kes_ok(); }

static void *room(size_t count, size_t size) {
  void *made = count == 0 ? NULL : calloc(count, size);
  if (made == NULL && count > 0) abort();
  return made;
}

void exports_kubedl_events_event_sink_describe(exports_kubedl_events_event_sink_description_t *ret) {
  const kes_description *from = sink_describe();
  *ret = (exports_kubedl_events_event_sink_description_t){.batch_events = from->batch_events, .batch_bytes = from->batch_bytes};
  sink_string_dup(&ret->name, from->name);
  sink_string_dup(&ret->version, from->version);
  sink_string_dup(&ret->summary, from->summary);
  ret->env.len = from->env_count;
  ret->env.ptr = room(from->env_count, sizeof *ret->env.ptr);
  for (size_t i = 0; i < from->env_count; i++) {
    sink_string_dup(&ret->env.ptr[i].name, from->env[i].name);
    sink_string_dup(&ret->env.ptr[i].help, from->env[i].help);
    ret->env.ptr[i].required = from->env[i].required;
    ret->env.ptr[i].secret = from->env[i].secret;
  }
  ret->hosts.len = from->host_count;
  ret->hosts.ptr = room(from->host_count, sizeof *ret->hosts.ptr);
  for (size_t i = 0; i < from->host_count; i++) sink_string_dup(&ret->hosts.ptr[i], from->hosts[i]);
}

// True where it is done; else `error` takes the outcome's reason.
static bool done(kes_outcome outcome, contract_error *error) {
  if (outcome.kind == KES_OK) return true;
  kes_string reason = kes_outcome_reason(&outcome);
  switch (outcome.kind) {
    case KES_REFUSED:
      *error = (contract_error){.tag = EXPORTS_KUBEDL_EVENTS_EVENT_SINK_ERROR_REFUSED, .val.refused = reason};
      break;
    case KES_MISCONFIGURED:
      *error = (contract_error){.tag = EXPORTS_KUBEDL_EVENTS_EVENT_SINK_ERROR_MISCONFIGURED, .val.misconfigured = reason};
      break;
    default:
      *error = (contract_error){.tag = EXPORTS_KUBEDL_EVENTS_EVENT_SINK_ERROR_RETRY,
                                .val.retry = {reason, {.is_some = outcome.has_after, .val = outcome.after_ms}}};
  }
  return false;
}

bool exports_kubedl_events_event_sink_open(contract_error *err) { return done(sink_open(), err); }

bool exports_kubedl_events_event_sink_close(contract_error *err) { return done(sink_close(), err); }

// The bindings of wit-bindgen 0.61.1 forget what is behind an alias and in optional texts of the record that names it. Nothing is freed
// twice if they learn it: a text that is freed here is empty afterwards.
static void free_pairs(exports_kubedl_events_event_sink_attributes_t *pairs) {
  for (size_t i = 0; i < pairs->len; i++) {
    sink_string_free(&pairs->ptr[i].f0);
    sink_string_free(&pairs->ptr[i].f1);
  }
}

static void free_optional(sink_option_string_t *text) {
  if (text->is_some) sink_string_free(&text->val);
  text->is_some = false;
}

static void free_forgotten(exports_kubedl_events_event_sink_batch_t *batch, exports_kubedl_events_event_sink_list_event_t *events) {
  free_pairs(&batch->attributes);
  for (size_t i = 0; i < events->len; i++) {
    free_optional(&events->ptr[i].region);
    free_optional(&events->ptr[i].cluster);
    free_pairs(&events->ptr[i].labels);
    free_pairs(&events->ptr[i].attributes);
  }
}

bool exports_kubedl_events_event_sink_save_events(exports_kubedl_events_event_sink_batch_t *batch,
                                                  exports_kubedl_events_event_sink_list_event_t *events,
                                                  exports_kubedl_events_event_sink_list_failure_t *ret, contract_error *err) {
  kes_failures failures = {0};
  bool ok = done(sink_save(batch, events->ptr, events->len, &failures), err);
  free_forgotten(batch, events);
  exports_kubedl_events_event_sink_batch_free(batch);
  exports_kubedl_events_event_sink_list_event_free(events);
  *ret = (exports_kubedl_events_event_sink_list_failure_t){failures.ptr, failures.len};
  if (!ok) exports_kubedl_events_event_sink_list_failure_free(ret);
  return ok;
}
