// Bytes that grow.
#include <stdlib.h>
#include <string.h>

#include "../kubedl_events_sink.h"

void kes_buffer_add(kes_buffer *to, const void *bytes, size_t len) {
  if (len == 0) return;
  if (len > to->cap - to->len) {
    if (len > SIZE_MAX / 2 - to->len) abort();
    to->cap = (to->len + len) * 2;
    to->ptr = realloc(to->ptr, to->cap);
    if (to->ptr == NULL) abort();
  }
  memcpy(to->ptr + to->len, bytes, len);
  to->len += len;
}

void kes_buffer_text(kes_buffer *to, const char *text) { kes_buffer_add(to, text, strlen(text)); }

void kes_buffer_string(kes_buffer *to, kes_string text) { kes_buffer_add(to, text.ptr, text.len); }

void kes_buffer_number(kes_buffer *to, uint64_t number) {
  char digits[20];
  size_t at = sizeof digits;
  do digits[--at] = (char)('0' + number % 10);
  while (number /= 10);
  kes_buffer_add(to, digits + at, sizeof digits - at);
}

void kes_buffer_clear(kes_buffer *buffer) { buffer->len = 0; }

void kes_buffer_free(kes_buffer *buffer) {
  free(buffer->ptr);
  *buffer = (kes_buffer){0};
}
