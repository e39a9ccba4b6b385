// What an answer means for the events it was about.
#include <stdlib.h>
#include <string.h>

#include "../kubedl_events_sink.h"

// Characters of an answer's body that are told.
enum { LONGEST_WORDS = 200 };

static kes_kind kind_of_status(uint16_t status) {
  switch (status) {
    case 401: case 403: case 404: case 405: case 407: case 410: return KES_MISCONFIGURED;
    case 408: case 425: case 429: return KES_RETRY;
  }
  if (status >= 200 && status < 300) return KES_OK;
  if (status >= 300 && status < 400) return KES_MISCONFIGURED;
  if (status >= 400 && status < 500) return KES_REFUSED;
  return KES_RETRY;  // 5xx; and what no destination should answer says nothing against the events either
}

static bool is_space(uint32_t point) { return point == ' ' || (point >= '\t' && point <= '\r') || point == 0x85; }

// The length of the character at `at`, or 0 where it is none.
static size_t character(const uint8_t *at, size_t len, uint32_t *point) {
  static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  uint8_t first = at[0];
  size_t size = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  if (size == 0 || size > len) return 0;
  *point = size == 1 ? first : first & (0x7fu >> size);
  for (size_t i = 1; i < size; i++) {
    if ((at[i] & 0xc0) != 0x80) return 0;
    *point = *point << 6 | (at[i] & 0x3f);
  }
  bool surrogate = *point >= 0xd800 && *point < 0xe000;
  return *point < least[size] || *point > 0x10ffff || surrogate ? 0 : size;
}

// Adds `: ` and the beginning of a body, if it is text: UTF-8 without control characters other than white space.
static void words(kes_buffer *to, const uint8_t *body, size_t len) {
  while (len > 0 && is_space(body[0])) body++, len--;
  while (len > 0 && is_space(body[len - 1])) len--;
  size_t end = 0;
  for (int told = 0; told < LONGEST_WORDS && end < len; told++) {
    uint32_t point;
    size_t size = character(body + end, len - end, &point);
    if (size == 0) return;
    if ((point < 0x20 || (point >= 0x7f && point < 0xa0)) && !is_space(point)) return;
    end += size;
  }
  if (end == 0) return;
  kes_buffer_text(to, ": ");
  kes_buffer_add(to, body, end);
}

// Seconds only: for a date the clocks of both sides would have to agree.
static bool retry_after(const kes_answer *answer, uint32_t *milliseconds) {
  size_t len = 0;
  const char *value = kes_answer_header(answer, "retry-after", &len);
  if (value == NULL) return false;
  while (len > 0 && is_space((uint8_t)value[0])) value++, len--;
  while (len > 0 && is_space((uint8_t)value[len - 1])) len--;
  if (len == 0 || len > 9) return false;
  uint64_t seconds = 0;
  for (size_t i = 0; i < len; i++) {
    if (value[i] < '0' || value[i] > '9') return false;
    seconds = seconds * 10 + (uint64_t)(value[i] - '0');
  }
  *milliseconds = seconds > UINT32_MAX / 1000 ? UINT32_MAX : (uint32_t)(seconds * 1000);
  return true;
}

// Takes the text of `reason`.
static kes_outcome outcome(kes_kind kind, kes_buffer *reason) {
  kes_buffer_add(reason, "", 1);
  return (kes_outcome){.kind = kind, .reason = reason->ptr};
}

static kes_outcome of_response(const kes_answer *answer) {
  const kubedl_events_http_response_t *response = &answer->val.ok;
  kes_kind kind = kind_of_status(response->status);
  if (kind == KES_OK) return kes_ok();
  kes_buffer reason = {0};
  kes_buffer_text(&reason, "the destination answered ");
  kes_buffer_number(&reason, response->status);
  words(&reason, response->body.ptr, response->body.len);
  kes_outcome made = outcome(kind, &reason);
  if (kind == KES_RETRY) made.has_after = retry_after(answer, &made.after_ms);
  return made;
}

static kes_outcome of_error(const kubedl_events_http_error_t *error) {
  static const char *const cases[] = {"denied", "invalid request", "request too large", "dns", "connect", "tls",
                                      "proxy", "not sent", "timeout", "interrupted", "protocol", "other"};
  kes_buffer reason = {0};
  kes_buffer_text(&reason, "no answer from the destination: ");
  kes_buffer_text(&reason, cases[error->tag]);
  if (error->tag == KUBEDL_EVENTS_HTTP_ERROR_REQUEST_TOO_LARGE) {
    kes_buffer_text(&reason, ": at most ");
    kes_buffer_number(&reason, error->val.request_too_large);
    kes_buffer_text(&reason, " bytes are granted");
    return outcome(KES_REFUSED, &reason);
  }
  if (error->tag != KUBEDL_EVENTS_HTTP_ERROR_TIMEOUT && error->val.other.len > 0) {
    kes_buffer_text(&reason, ": ");
    kes_buffer_string(&reason, error->val.other);  // all other cases have one text
  }
  bool to_be_mended = error->tag == KUBEDL_EVENTS_HTTP_ERROR_DENIED || error->tag == KUBEDL_EVENTS_HTTP_ERROR_INVALID_REQUEST;
  return outcome(to_be_mended ? KES_MISCONFIGURED : KES_RETRY, &reason);
}

kes_outcome kes_http_settle(const kes_answer *answer) {
  return answer->is_err ? of_error(&answer->val.err) : of_response(answer);
}

// Where no event was stored: what a person must mend goes first, then a retry of all with the longest wait.
static bool common(const kes_outcome *outcomes, size_t count, size_t *chosen, kes_outcome *wait) {
  size_t retries = 0;
  for (size_t i = 0; i < count; i++) {
    if (outcomes[i].kind == KES_OK) return false;
    if (outcomes[i].kind == KES_RETRY) retries++;
    if (outcomes[i].has_after && (!wait->has_after || outcomes[i].after_ms > wait->after_ms)) *wait = outcomes[i];
  }
  for (*chosen = 0; *chosen < count; ++*chosen) {
    if (outcomes[*chosen].kind == KES_MISCONFIGURED) return true;
  }
  *chosen = 0;
  return count > 0 && retries == count;
}

kes_outcome kes_http_settle_all(const kes_answer *answers, size_t count, kes_failures *failures) {
  if (count == 0) return kes_ok();
  kes_outcome *outcomes = calloc(count, sizeof *outcomes), wait = {0}, result = kes_ok();
  if (outcomes == NULL) abort();
  for (size_t i = 0; i < count; i++) outcomes[i] = kes_http_settle(&answers[i]);
  size_t chosen;
  if (common(outcomes, count, &chosen, &wait)) {
    result = outcomes[chosen];
    if (result.kind == KES_RETRY) result.has_after = wait.has_after, result.after_ms = wait.after_ms;
    for (size_t i = 0; i < count; i++) {
      if (i != chosen) kes_outcome_free(&outcomes[i]);
    }
  } else {
    for (size_t i = 0; i < count; i++) kes_failures_add(failures, i, outcomes[i]);
  }
  free(outcomes);
  return result;
}
