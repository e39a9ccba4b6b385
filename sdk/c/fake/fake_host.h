// A host for tests outside WebAssembly: it plays the destination.
#ifndef KUBEDL_EVENTS_FAKE_HOST_H
#define KUBEDL_EVENTS_FAKE_HOST_H

#include "../kubedl_events_sink.h"

// What the destination answers: `status`, at most one header, and `body`; or, where `fails`, the error `tag` of bindings/sink.h with the
// text `body` (KUBEDL_EVENTS_HTTP_ERROR_REQUEST_TOO_LARGE: 9 bytes).
typedef struct {
  uint16_t status;
  const char *header, *value;
  const char *body;
  bool fails;
  uint8_t tag;
} fake_answer;

// Forgets the requests, and plays these answers from now on: in turn, the last one repeats; 200 without a body if there is none.
void fake_answers(const fake_answer *answers, size_t count);

// What one kes_answer would be; the caller's to free.
kes_answer fake_made(fake_answer answer);

// Since fake_answers: requests, as text that the tests can look at.
typedef struct {
  char *method, *url, *body;
  char *headers;  // a line each: `name: value`
} fake_request;

size_t fake_request_count(void);
const fake_request *fake_request_at(size_t index);

// A whole event; fields may be set to other literals by KES_LITERAL. Nothing in it is to be freed.
kes_event fake_event(void);
kes_object fake_object(const char *kind, const char *namespace_, const char *name);
#define KES_LITERAL(text) ((kes_string){(uint8_t *)(text), sizeof(text) - 1})

// Tests: `check(condition)` in functions, `run(function)` in main, which ends with `return failed()`.
#define check(condition) fake_check((condition), #condition, __FILE__, __LINE__)
#define check_text(found, wanted) fake_check_text((found), (wanted), __FILE__, __LINE__)
#define run(test) fake_run(test, #test)
void fake_check(bool holds, const char *what, const char *file, int line);
void fake_check_text(const char *found, const char *wanted, const char *file, int line);
void fake_run(void (*test)(void), const char *name);
int failed(void);

#endif
