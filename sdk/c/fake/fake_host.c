#include "fake_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const fake_answer *answers;
static size_t answer_count, request_count;
static fake_request requests[64];

static char *copy(const void *bytes, size_t len) {
  char *made = calloc(len + 1, 1);
  if (made == NULL) abort();
  if (len > 0) memcpy(made, bytes, len);
  return made;
}

static sink_string_t owned(const char *text) {
  size_t len = text == NULL ? 0 : strlen(text);
  if (len == 0) return (sink_string_t){0};  // the bindings free nothing that is empty
  return (sink_string_t){(uint8_t *)copy(text, len), len};
}

void fake_answers(const fake_answer *list, size_t count) {
  for (size_t i = 0; i < request_count; i++) {
    free(requests[i].method), free(requests[i].url), free(requests[i].body), free(requests[i].headers);
  }
  answers = list, answer_count = count, request_count = 0;
}

kes_answer fake_made(fake_answer from) {
  kes_answer made = {.is_err = from.fails};
  if (from.fails) {
    made.val.err.tag = from.tag;
    if (from.tag == KUBEDL_EVENTS_HTTP_ERROR_REQUEST_TOO_LARGE) made.val.err.val.request_too_large = 9;
    else if (from.tag != KUBEDL_EVENTS_HTTP_ERROR_TIMEOUT) made.val.err.val.other = owned(from.body);
    return made;
  }
  sink_string_t body = owned(from.body);
  made.val.ok.status = from.status == 0 ? 200 : from.status;
  made.val.ok.body = (sink_list_u8_t){body.ptr, body.len};
  if (from.header != NULL) {
    sink_string_t value = owned(from.value);
    made.val.ok.headers.ptr = malloc(sizeof *made.val.ok.headers.ptr);
    made.val.ok.headers.len = 1;
    *made.val.ok.headers.ptr = (sink_tuple2_string_list_u8_t){owned(from.header), {value.ptr, value.len}};
  }
  return made;
}

static char *lines(const kubedl_events_http_headers_t *headers) {
  kes_buffer text = {0};
  for (size_t i = 0; i < headers->len; i++) {
    kes_buffer_string(&text, headers->ptr[i].f0);
    kes_buffer_text(&text, ": ");
    kes_buffer_add(&text, headers->ptr[i].f1.ptr, headers->ptr[i].f1.len);
    kes_buffer_text(&text, "\n");
  }
  char *made = copy(text.ptr, text.len);
  kes_buffer_free(&text);
  return made;
}

static kes_answer answer(const kubedl_events_http_request_t *request) {
  if (request_count == sizeof requests / sizeof *requests) abort();
  requests[request_count++] = (fake_request){
      .method = copy(request->method.ptr, request->method.len),
      .url = copy(request->url.ptr, request->url.len),
      .body = copy(request->body.ptr, request->body.len),
      .headers = lines(&request->headers),
  };
  if (answer_count == 0) return fake_made((fake_answer){0});
  return fake_made(answers[request_count <= answer_count ? request_count - 1 : answer_count - 1]);
}

bool kubedl_events_http_send(kubedl_events_http_request_t *request, kubedl_events_http_response_t *ret, kubedl_events_http_error_t *err) {
  kes_answer given = answer(request);
  if (given.is_err) *err = given.val.err;
  else *ret = given.val.ok;
  return !given.is_err;
}

void kubedl_events_http_send_all(kubedl_events_http_list_request_t *list, kubedl_events_http_list_result_response_error_t *ret) {
  ret->len = list->len;
  ret->ptr = calloc(list->len, sizeof *ret->ptr);
  if (ret->ptr == NULL) abort();
  for (size_t i = 0; i < list->len; i++) ret->ptr[i] = answer(&list->ptr[i]);
}

bool kubedl_events_raw_event_get(uint32_t index, sink_string_t *ret) {
  if (index == 0) *ret = owned("{}");
  return index == 0;
}

size_t fake_request_count(void) { return request_count; }
const fake_request *fake_request_at(size_t index) { return &requests[index]; }

kes_object fake_object(const char *kind, const char *namespace_, const char *name) {
  kes_object object = {0};
  sink_string_set(&object.kind, kind);
  sink_string_set(&object.namespace_, namespace_);
  sink_string_set(&object.name, name);
  return object;
}

kes_event fake_event(void) {
  kes_timestamp at = {1795429966, 0};
  return (kes_event){
      .uid = KES_LITERAL("u-1"),
      .resource_version = KES_LITERAL("4711"),
      .namespace_ = KES_LITERAL("train"),
      .name = KES_LITERAL("p.17a"),
      .type = KES_LITERAL("Warning"),
      .reason = KES_LITERAL("BackOff"),
      .message = KES_LITERAL("m"),
      .count = 1,
      .first_timestamp = at,
      .last_timestamp = at,
      .observed_at = at,
      .regarding = fake_object("Pod", "train", "p"),
  };
}

static int wrong;

void fake_check(bool holds, const char *what, const char *file, int line) {
  if (holds) return;
  wrong++;
  fprintf(stderr, "%s:%d: it does not hold that %s\n", file, line, what);
}

void fake_check_text(const char *found, const char *wanted, const char *file, int line) {
  if (found != NULL && strcmp(found, wanted) == 0) return;
  wrong++;
  fprintf(stderr, "%s:%d: found   %s\n%*swanted  %s\n", file, line, found == NULL ? "nothing" : found, (int)strlen(file) + 6, "", wanted);
}

void fake_run(void (*test)(void), const char *name) {
  int before = wrong;
  test();
  printf("%s %s\n", wrong == before ? "ok  " : "FAIL", name);
}

int failed(void) { return wrong == 0 ? 0 : 1; }
