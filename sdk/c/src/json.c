// The JSON view of an event: the keys of the sink `stdout`, in its order.
#include <stdlib.h>
#include <string.h>

#include "../kubedl_events_sink.h"

static void reference(kes_buffer *to, const char *key, const kes_object *object);
static void labels(kes_buffer *to, const kubedl_events_types_attributes_t *pairs);

// `,"key":`, without the comma at the beginning of an object.
static void key(kes_buffer *to, const char *name) {
  if (to->ptr[to->len - 1] != '{') kes_buffer_text(to, ",");
  kes_json_text(to, name);
  kes_buffer_text(to, ":");
}

static void text(kes_buffer *to, const char *name, kes_string value) {
  key(to, name);
  kes_json_string(to, value);
}

static void filled(kes_buffer *to, const char *name, kes_string value) {
  if (value.len > 0) text(to, name, value);
}

static void moment(kes_buffer *to, const char *name, kes_timestamp value) {
  key(to, name);
  kes_buffer_text(to, "\"");
  kes_rfc3339(to, value);
  kes_buffer_text(to, "\"");
}

void kes_json_event(kes_buffer *to, const kes_event *event) {
  kes_buffer_text(to, "{");
  moment(to, "lastTimestamp", event->last_timestamp);
  text(to, "type", event->type);
  text(to, "reason", event->reason);
  reference(to, "regarding", &event->regarding);
  text(to, "message", event->message);
  key(to, "count");
  kes_buffer_number(to, event->count);
  moment(to, "firstTimestamp", event->first_timestamp);
  moment(to, "observedAt", event->observed_at);
  text(to, "namespace", event->namespace_);
  text(to, "name", event->name);
  text(to, "uid", event->uid);
  text(to, "resourceVersion", event->resource_version);
  filled(to, "component", event->component);
  filled(to, "host", event->host);
  filled(to, "instance", event->instance);
  filled(to, "action", event->action);
  if (event->related.is_some) reference(to, "related", &event->related.val);
  if (event->job.is_some) reference(to, "job", &event->job.val);
  if (event->region.is_some) text(to, "region", event->region.val);
  if (event->cluster.is_some) text(to, "cluster", event->cluster.val);
  if (event->labels.len > 0) labels(to, &event->labels);
  kes_buffer_text(to, "}");
}

static void reference(kes_buffer *to, const char *name, const kes_object *object) {
  key(to, name);
  kes_buffer_text(to, "{");
  filled(to, "kind", object->kind);
  filled(to, "namespace", object->namespace_);
  filled(to, "name", object->name);
  filled(to, "uid", object->uid);
  filled(to, "apiVersion", object->api_version);
  filled(to, "fieldPath", object->field_path);
  kes_buffer_text(to, "}");
}

static int by_key(const kes_string *a, const kes_string *b) {
  size_t both = a->len < b->len ? a->len : b->len;
  int order = both == 0 ? 0 : memcmp(a->ptr, b->ptr, both);
  return order != 0 ? order : (a->len > b->len) - (a->len < b->len);
}

// Pairs of one list: of the same key the later one is greater.
static int by_key_and_place(const void *a, const void *b) {
  const sink_tuple2_string_string_t *one = *(sink_tuple2_string_string_t *const *)a, *other = *(sink_tuple2_string_string_t *const *)b;
  int order = by_key(&one->f0, &other->f0);
  return order != 0 ? order : (one > other) - (one < other);
}

// Sorted; of a key that comes twice the last counts.
static void labels(kes_buffer *to, const kubedl_events_types_attributes_t *pairs) {
  sink_tuple2_string_string_t **sorted = calloc(pairs->len, sizeof *sorted);
  if (sorted == NULL) abort();
  for (size_t i = 0; i < pairs->len; i++) sorted[i] = &pairs->ptr[i];
  qsort(sorted, pairs->len, sizeof *sorted, by_key_and_place);
  key(to, "labels");
  bool first = true;
  kes_buffer_text(to, "{");
  for (size_t i = 0; i < pairs->len; i++) {
    if (i + 1 < pairs->len && by_key(&sorted[i]->f0, &sorted[i + 1]->f0) == 0) continue;
    if (!first) kes_buffer_text(to, ",");
    first = false;
    kes_json_string(to, sorted[i]->f0);
    kes_buffer_text(to, ":");
    kes_json_string(to, sorted[i]->f1);
  }
  kes_buffer_text(to, "}");
  free(sorted);
}

// The escape of a control character, a quote or a backslash, in `into`.
static size_t escape(uint8_t byte, char into[6]) {
  static const char letters[] = "\b\f\n\r\t\"\\", names[] = "bfnrt\"\\", hex[] = "0123456789abcdef";
  const char *letter = byte == 0 ? NULL : strchr(letters, byte);
  into[0] = '\\';
  if (letter != NULL) {
    into[1] = names[letter - letters];
    return 2;
  }
  memcpy(into + 1, "u00", 3);
  into[4] = hex[byte >> 4];
  into[5] = hex[byte & 15];
  return 6;
}

void kes_json_string(kes_buffer *to, kes_string value) {
  kes_buffer_text(to, "\"");
  size_t plain = 0;  // where the part begins that needs no escape
  for (size_t i = 0; i < value.len; i++) {
    uint8_t byte = value.ptr[i];
    if (byte >= 0x20 && byte != '"' && byte != '\\') continue;
    char escaped[6];
    kes_buffer_add(to, value.ptr + plain, i - plain);
    kes_buffer_add(to, escaped, escape(byte, escaped));
    plain = i + 1;
  }
  if (value.len > plain) kes_buffer_add(to, value.ptr + plain, value.len - plain);
  kes_buffer_text(to, "\"");
}

void kes_json_text(kes_buffer *to, const char *value) { kes_json_string(to, (kes_string){(uint8_t *)value, strlen(value)}); }
