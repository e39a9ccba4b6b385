// Requests, and the parts of their answers.
#include <stdlib.h>
#include <string.h>

#include "../kubedl_events_sink.h"

static sink_string_t borrowed(const char *text) { return (sink_string_t){(uint8_t *)text, strlen(text)}; }

// Points into the request; only the list of headers is made, and freed by `drop`.
static kubedl_events_http_request_t lent(const kes_request *request) {
  sink_tuple2_string_list_u8_t *headers = NULL;
  if (request->header_count > 0) {
    headers = calloc(request->header_count, sizeof *headers);
    if (headers == NULL) abort();
  }
  for (size_t i = 0; i < request->header_count; i++) {
    sink_string_t value = borrowed(request->headers[i].value);
    headers[i] = (sink_tuple2_string_list_u8_t){borrowed(request->headers[i].name), {value.ptr, value.len}};
  }
  return (kubedl_events_http_request_t){
      .method = borrowed(request->method),
      .url = borrowed(request->url),
      .headers = {headers, request->header_count},
      .body = {(uint8_t *)request->body, request->body_len},
      .timeout_ms = {.is_some = request->timeout_ms != 0, .val = request->timeout_ms},
  };
}

static void drop(kubedl_events_http_request_t *sent) { free(sent->headers.ptr); }

kes_answer kes_http_send(const kes_request *request) {
  kubedl_events_http_request_t sent = lent(request);
  kubedl_events_http_response_t response;
  kubedl_events_http_error_t error;
  kes_answer answer = {.is_err = !kubedl_events_http_send(&sent, &response, &error)};
  if (answer.is_err) answer.val.err = error;
  else answer.val.ok = response;
  drop(&sent);
  return answer;
}

void kes_http_send_all(const kes_request *requests, size_t count, kes_answer *answers) {
  if (count == 0) return;
  kubedl_events_http_request_t *sent = calloc(count, sizeof *sent);
  if (sent == NULL) abort();
  for (size_t i = 0; i < count; i++) sent[i] = lent(&requests[i]);
  kubedl_events_http_list_request_t list = {sent, count};
  kubedl_events_http_list_result_response_error_t given;
  kubedl_events_http_send_all(&list, &given);
  memcpy(answers, given.ptr, count * sizeof *answers);
  free(given.ptr);
  for (size_t i = 0; i < count; i++) drop(&sent[i]);
  free(sent);
}

void kes_answer_free(kes_answer *answer) { kubedl_events_http_result_response_error_free(answer); }

static bool same_name(sink_string_t found, const char *wanted) {
  if (found.len != strlen(wanted)) return false;
  for (size_t i = 0; i < found.len; i++) {
    uint8_t a = found.ptr[i], b = (uint8_t)wanted[i];
    if (a >= 'A' && a <= 'Z') a += 'a' - 'A';
    if (b >= 'A' && b <= 'Z') b += 'a' - 'A';
    if (a != b) return false;
  }
  return true;
}

const char *kes_answer_header(const kes_answer *answer, const char *name, size_t *len) {
  if (answer->is_err) return NULL;
  const kubedl_events_http_headers_t *headers = &answer->val.ok.headers;
  for (size_t i = 0; i < headers->len; i++) {
    if (!same_name(headers->ptr[i].f0, name)) continue;
    *len = headers->ptr[i].f1.len;
    return (const char *)headers->ptr[i].f1.ptr;
  }
  return NULL;
}

bool kes_raw_event(uint32_t index, kes_buffer *to) {
  sink_string_t text;
  if (!kubedl_events_raw_event_get(index, &text)) return false;
  kes_buffer_string(to, text);
  sink_string_free(&text);
  return true;
}
