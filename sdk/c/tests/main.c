// Tests of the SDK on this machine: make test.
#define _POSIX_C_SOURCE 200809L
#include <stdlib.h>
#include <string.h>

#include "fake/fake_host.h"

const kes_description *sink_describe(void) {
  static const kes_description description = {.name = "a", .version = "1", .summary = "s"};
  return &description;
}

static kes_outcome saved;

kes_outcome sink_save(const kes_batch *batch, const kes_event *events, size_t count, kes_failures *failures) {
  (void)batch, (void)events;
  for (size_t i = 1; i < count; i++) kes_failures_add(failures, i, kes_retry_after("busy", 5));
  return saved;
}

static const char *ended(kes_buffer *text) {
  kes_buffer_add(text, "", 1);
  return text->ptr;
}

static void a_moment_has_the_digits_that_it_needs_and_a_year_that_four_digits_can_say(void) {
  static const struct { int64_t seconds; uint32_t nanoseconds; const char *text; } cases[] = {
      {0, 0, "1970-01-01T00:00:00Z"},
      {-1, 999999999, "1969-12-31T23:59:59.999999999Z"},
      {951782400, 0, "2000-02-29T00:00:00Z"},
      {1795429966, 250000000, "2026-11-23T10:32:46.25Z"},
      {1795429966, 1, "2026-11-23T10:32:46.000000001Z"},
      {-62135596800, 0, "0001-01-01T00:00:00Z"},
      {-62135596801, 0, "0001-01-01T00:00:00Z"},
      {253402300800, 5, "9999-12-31T23:59:59.000000005Z"},
      {INT64_MAX, 0, "9999-12-31T23:59:59Z"},
      {INT64_MIN, 0, "0001-01-01T00:00:00Z"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    kes_buffer text = {0};
    kes_rfc3339(&text, (kes_timestamp){cases[i].seconds, cases[i].nanoseconds});
    check_text(ended(&text), cases[i].text);
    kes_buffer_free(&text);
  }
}

static void what_is_empty_is_left_out_and_what_is_always_there_stays(void) {
  kes_event event = fake_event();
  kes_buffer text = {0};
  event.reason = event.message = (kes_string){0};
  kes_json_event(&text, &event);
  check_text(ended(&text), "{\"lastTimestamp\":\"2026-11-23T10:32:46Z\",\"type\":\"Warning\",\"reason\":\"\","
             "\"regarding\":{\"kind\":\"Pod\",\"namespace\":\"train\",\"name\":\"p\"},\"message\":\"\",\"count\":1,"
             "\"firstTimestamp\":\"2026-11-23T10:32:46Z\",\"observedAt\":\"2026-11-23T10:32:46Z\",\"namespace\":\"train\",\"name\":\"p.17a\","
             "\"uid\":\"u-1\",\"resourceVersion\":\"4711\"}");
  kes_buffer_free(&text);
}

static void what_is_there_comes_in_the_order_of_the_sink_stdout(void) {
  sink_tuple2_string_string_t labels[] = {{KES_LITERAL("b"), KES_LITERAL("2")}, {KES_LITERAL("a"), KES_LITERAL("1")}, {KES_LITERAL("b"), KES_LITERAL("3")}};
  kes_event event = fake_event();
  kes_buffer text = {0};
  event.count = UINT32_MAX;
  event.component = KES_LITERAL("c"), event.host = KES_LITERAL("h"), event.instance = KES_LITERAL("i"), event.action = KES_LITERAL("a");
  event.related.is_some = event.job.is_some = event.region.is_some = event.cluster.is_some = true;
  event.related.val = (kes_object){.kind = KES_LITERAL("Pod"), .field_path = KES_LITERAL("f"), .api_version = KES_LITERAL("v1"), .uid = KES_LITERAL("u")};
  event.cluster.val = KES_LITERAL("k");
  event.labels = (kubedl_events_types_attributes_t){labels, 3};
  kes_json_event(&text, &event);
  ended(&text);
  check(strstr(text.ptr, "\"count\":4294967295,") != NULL);
  check_text(strstr(text.ptr, "\"component\""), "\"component\":\"c\",\"host\":\"h\",\"instance\":\"i\",\"action\":\"a\",\"related\":"
             "{\"kind\":\"Pod\",\"uid\":\"u\",\"apiVersion\":\"v1\",\"fieldPath\":\"f\"},\"job\":{},\"region\":\"\",\"cluster\":\"k\","
             "\"labels\":{\"a\":\"1\",\"b\":\"3\"}}");
  kes_buffer_free(&text);
}

static void a_string_escapes_controls_quotes_and_backslashes_alone(void) {
  kes_buffer text = {0};
  kes_json_string(&text, KES_LITERAL("\0\x01\b\t\n\v\f\r\x1f \"\\/\x7f\u2028\U0001F600"));
  check_text(ended(&text), "\"\\u0000\\u0001\\b\\t\\n\\u000b\\f\\r\\u001f \\\"\\\\/\x7f\u2028\U0001F600\"");
  kes_buffer_free(&text);
}

static void expect(fake_answer from, kes_kind kind, const char *reason) {
  kes_answer answer = fake_made(from);
  kes_outcome outcome = kes_http_settle(&answer);
  check(outcome.kind == kind);
  if (reason != NULL) check_text(outcome.reason, reason);
  kes_outcome_free(&outcome);
  kes_answer_free(&answer);
}

static void a_status_decides_who_must_act(void) {
  static const uint16_t stored[] = {200, 201, 202, 204, 299}, later[] = {408, 425, 429, 500, 502, 503, 504, 599, 100, 600},
                        person[] = {300, 301, 302, 304, 307, 308, 399, 401, 403, 404, 405, 407, 410},
                        events[] = {400, 402, 406, 409, 411, 413, 414, 415, 422, 431, 451, 499};
  for (size_t i = 0; i < sizeof stored / sizeof *stored; i++) expect((fake_answer){.status = stored[i]}, KES_OK, NULL);
  for (size_t i = 0; i < sizeof later / sizeof *later; i++) expect((fake_answer){.status = later[i]}, KES_RETRY, NULL);
  for (size_t i = 0; i < sizeof person / sizeof *person; i++) expect((fake_answer){.status = person[i]}, KES_MISCONFIGURED, NULL);
  for (size_t i = 0; i < sizeof events / sizeof *events; i++) expect((fake_answer){.status = events[i]}, KES_REFUSED, NULL);
  expect((fake_answer){.status = 503, .body = "words"}, KES_RETRY, "the destination answered 503: words");
}

static void a_destination_may_say_when_to_come_again_in_seconds(void) {
  static const struct { const char *value; bool has; uint32_t ms; } cases[] = {
      {"7", true, 7000}, {" 0 ", true, 0}, {"999999999", true, UINT32_MAX}, {"Wed, 21 Oct 2026 07:28:00 GMT", false, 0},
      {"-1", false, 0}, {"1.5", false, 0}, {"", false, 0}, {"99999999999", false, 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    kes_answer answer = fake_made((fake_answer){.status = 429, .header = "RETRY-after", .value = cases[i].value});
    kes_outcome outcome = kes_http_settle(&answer);
    check(outcome.has_after == cases[i].has && (!cases[i].has || outcome.after_ms == cases[i].ms));
    kes_outcome_free(&outcome);
    kes_answer_free(&answer);
  }
}

static void no_answer_is_told_with_its_case(void) {
  static const char *const names[] = {"denied", "invalid request", NULL, "dns", "connect", "tls", "proxy", "not sent", NULL, "interrupted", "protocol", "other"};
  for (uint8_t tag = 0; tag < 12; tag++) {
    if (names[tag] == NULL) continue;
    kes_buffer reason = {0};
    kes_buffer_text(&reason, "no answer from the destination: ");
    kes_buffer_text(&reason, names[tag]);
    kes_buffer_text(&reason, ": why");
    expect((fake_answer){.fails = true, .tag = tag, .body = "why"}, tag < 2 ? KES_MISCONFIGURED : KES_RETRY, ended(&reason));
    kes_buffer_free(&reason);
  }
  fake_answer too_large = {.fails = true, .tag = KUBEDL_EVENTS_HTTP_ERROR_REQUEST_TOO_LARGE};
  expect(too_large, KES_REFUSED, "no answer from the destination: request too large: at most 9 bytes are granted");
  expect((fake_answer){.fails = true, .tag = KUBEDL_EVENTS_HTTP_ERROR_TIMEOUT}, KES_RETRY, "no answer from the destination: timeout");
}

static void a_body_is_told_as_far_as_it_is_text(void) {
  static const char *const none[] = {"", " \n", "\x1f\x8b\x08", "\xff\xfe", "a\x7f", "\xc0\x80", "\xed\xa0\x80", "\xe2\x82", "\xf4\x90\x80\x80"};
  for (size_t i = 0; i < sizeof none / sizeof *none; i++) expect((fake_answer){.status = 400, .body = none[i]}, KES_REFUSED, "the destination answered 400");
  expect((fake_answer){.status = 400, .body = " two\nlines\n"}, KES_REFUSED, "the destination answered 400: two\nlines");
  kes_buffer body = {0}, reason = {0};
  kes_buffer_text(&reason, "the destination answered 400: ");
  for (int i = 0; i < 1000; i++) {
    kes_buffer_text(&body, "\U0001F600");
    if (i < 200) kes_buffer_text(&reason, "\U0001F600");
  }
  expect((fake_answer){.status = 400, .body = ended(&body)}, KES_REFUSED, ended(&reason));
  kes_buffer_free(&body);
  kes_buffer_free(&reason);
}

static kes_outcome settled(const fake_answer *from, size_t count, kes_failures *failures) {
  kes_answer answers[4];
  for (size_t i = 0; i < count; i++) answers[i] = fake_made(from[i]);
  kes_outcome outcome = kes_http_settle_all(answers, count, failures);
  for (size_t i = 0; i < count; i++) kes_answer_free(&answers[i]);
  return outcome;
}

static void answers_about_one_event_each_name_those_that_failed(void) {
  kes_failures failures = {0};
  check(settled((fake_answer[]){{.status = 202}, {.status = 400}, {.status = 401}}, 3, &failures).kind == KES_OK);
  check(failures.len == 2 && failures.ptr[0].index == 1 && !failures.ptr[0].retryable && failures.ptr[1].retryable);
  exports_kubedl_events_event_sink_list_failure_t list = {failures.ptr, failures.len};
  exports_kubedl_events_event_sink_list_failure_free(&list);
}

static void where_no_event_was_stored_a_person_goes_before_a_retry_with_the_longest_wait(void) {
  kes_failures failures = {0};
  kes_outcome outcome = settled((fake_answer[]){{.status = 503}, {.status = 401}}, 2, &failures);
  check(outcome.kind == KES_MISCONFIGURED);
  kes_outcome_free(&outcome);
  fake_answer busy[] = {{.status = 503}, {.status = 503, .header = "retry-after", .value = "2"}, {.status = 503, .header = "retry-after", .value = "1"}};
  outcome = settled(busy, 3, &failures);
  check(outcome.kind == KES_RETRY && outcome.after_ms == 2000 && failures.len == 0);
  kes_outcome_free(&outcome);
  check(settled(NULL, 0, &failures).kind == KES_OK);
}

static void requests_go_out_side_by_side_and_answers_come_in_their_order(void) {
  fake_answers((fake_answer[]){{.status = 503}, {.fails = true, .tag = KUBEDL_EVENTS_HTTP_ERROR_TIMEOUT}}, 2);
  kes_request requests[2] = {{.method = "PUT", .url = "https://a/", .body = "x", .body_len = 1}, {.method = "GET", .url = "https://b/"}};
  kes_answer answers[2];
  kes_http_send_all(requests, 2, answers);
  check(!answers[0].is_err && answers[0].val.ok.status == 503 && answers[1].is_err);
  check_text(fake_request_at(0)->body, "x");
  check_text(fake_request_at(1)->url, "https://b/");
  for (int i = 0; i < 2; i++) kes_answer_free(&answers[i]);
}

static void what_a_sink_gives_back_becomes_the_contracts(void) {
  exports_kubedl_events_event_sink_batch_t batch = {0};
  exports_kubedl_events_event_sink_list_event_t events = {calloc(2, sizeof *events.ptr), 2};
  exports_kubedl_events_event_sink_list_failure_t failures;
  exports_kubedl_events_event_sink_error_t error;
  saved = kes_ok();
  check(exports_kubedl_events_event_sink_save_events(&batch, &events, &failures, &error));
  check(failures.len == 1 && failures.ptr[0].index == 1 && failures.ptr[0].after_ms.val == 5 && failures.ptr[0].reason.len == 4);
  exports_kubedl_events_event_sink_list_failure_free(&failures);

  events = (exports_kubedl_events_event_sink_list_event_t){0};
  saved = kes_refused("no");
  check(!exports_kubedl_events_event_sink_save_events(&batch, &events, &failures, &error));
  check(error.tag == EXPORTS_KUBEDL_EVENTS_EVENT_SINK_ERROR_REFUSED && error.val.refused.len == 2);
  exports_kubedl_events_event_sink_error_free(&error);
  check(exports_kubedl_events_event_sink_open(&error) && exports_kubedl_events_event_sink_close(&error));
}

static void a_variable_that_is_empty_is_absent(void) {
  const char *value;
  setenv("A", "a", 1), setenv("B", "", 1);
  check_text(kes_env_get("A"), "a");
  check(kes_env_get("B") == NULL && kes_env_require("A", &value).kind == KES_OK);
  kes_outcome outcome = kes_env_require("B", &value);
  check(outcome.kind == KES_MISCONFIGURED && value == NULL);
  check_text(outcome.reason, "the variable B is not set");
  kes_outcome_free(&outcome);
}

static void a_raw_event_is_there_or_not(void) {
  kes_buffer text = {0};
  check(kes_raw_event(0, &text) && !kes_raw_event(1, &text));
  check_text(ended(&text), "{}");
  kes_buffer_free(&text);
}

int main(void) {
  run(a_moment_has_the_digits_that_it_needs_and_a_year_that_four_digits_can_say);
  run(what_is_empty_is_left_out_and_what_is_always_there_stays);
  run(what_is_there_comes_in_the_order_of_the_sink_stdout);
  run(a_string_escapes_controls_quotes_and_backslashes_alone);
  run(a_status_decides_who_must_act);
  run(a_destination_may_say_when_to_come_again_in_seconds);
  run(no_answer_is_told_with_its_case);
  run(a_body_is_told_as_far_as_it_is_text);
  run(answers_about_one_event_each_name_those_that_failed);
  run(where_no_event_was_stored_a_person_goes_before_a_retry_with_the_longest_wait);
  run(requests_go_out_side_by_side_and_answers_come_in_their_order);
  run(what_a_sink_gives_back_becomes_the_contracts);
  run(a_variable_that_is_empty_is_absent);
  run(a_raw_event_is_there_or_not);
  fake_answers(NULL, 0);
  return failed();
}
