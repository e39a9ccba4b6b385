// Tests of the sink on this machine: make test.
#define _POSIX_C_SOURCE 200809L
#include <stdlib.h>
#include <string.h>

#include "fake/fake_host.h"

static kes_outcome save(const kes_event *events, size_t count) {
  kes_batch batch = {0};
  kes_failures failures = {0};
  kes_outcome outcome = sink_open();
  if (outcome.kind == KES_OK) outcome = sink_save(&batch, events, count, &failures);
  check(failures.len == 0);
  return outcome;
}

static void the_environment(void) {
  setenv("WEBHOOK_URL", "https://hooks.example.com/in", 1);
  setenv("WEBHOOK_TOKEN", "t", 1);
}

static void a_batch_is_one_request_with_the_token(void) {
  the_environment();
  fake_answers(&(fake_answer){.status = 202}, 1);
  kes_event events[2] = {fake_event(), fake_event()};
  check(save(events, 2).kind == KES_OK);
  check(fake_request_count() == 1);
  check_text(fake_request_at(0)->url, "https://hooks.example.com/in");
  check_text(fake_request_at(0)->headers, "Content-Type: application/cloudevents-batch+json\nAuthorization: Bearer t\n");
}

static void an_event_is_a_cloud_event(void) {
  the_environment();
  fake_answers(NULL, 0);
  kes_event event = fake_event();
  check(save(&event, 1).kind == KES_OK);
  check_text(fake_request_at(0)->body,
             "[{\"specversion\":\"1.0\",\"id\":\"u-1/4711\",\"source\":\"/clusters/default/namespaces/train/events/p.17a\","
             "\"type\":\"io.k8s.event.v1\",\"subject\":\"Pod/train/p\",\"time\":\"2026-11-23T10:32:46Z\",\"datacontenttype\":\"application/json\","
             "\"data\":{\"lastTimestamp\":\"2026-11-23T10:32:46Z\",\"type\":\"Warning\",\"reason\":\"BackOff\","
             "\"regarding\":{\"kind\":\"Pod\",\"namespace\":\"train\",\"name\":\"p\"},\"message\":\"m\",\"count\":1,"
             "\"firstTimestamp\":\"2026-11-23T10:32:46Z\",\"observedAt\":\"2026-11-23T10:32:46Z\",\"namespace\":\"train\",\"name\":\"p.17a\","
             "\"uid\":\"u-1\",\"resourceVersion\":\"4711\"}}]");
}

static void an_event_of_a_node_has_no_namespace_in_its_subject(void) {
  the_environment();
  fake_answers(NULL, 0);
  kes_event events[2] = {fake_event(), fake_event()};
  events[0].regarding = fake_object("Node", "", "n1");
  check(save(events, 1).kind == KES_OK);
  check(strstr(fake_request_at(0)->body, "\"subject\":\"Node/n1\"") != NULL);
}

static void a_destination_that_is_busy_is_asked_again_not_earlier_than_it_says(void) {
  the_environment();
  fake_answers(&(fake_answer){.status = 429, .header = "Retry-After", .value = "7"}, 1);
  kes_event event = fake_event();
  kes_outcome outcome = save(&event, 1);
  check(outcome.kind == KES_RETRY && outcome.after_ms == 7000);
  check_text(outcome.reason, "the destination answered 429");
  kes_outcome_free(&outcome);
}

static void the_sink_does_not_open_without_its_url(void) {
  unsetenv("WEBHOOK_URL");
  kes_outcome outcome = sink_open();
  check(outcome.kind == KES_MISCONFIGURED);
  check_text(outcome.reason, "the variable WEBHOOK_URL is not set");
  kes_outcome_free(&outcome);
}

int main(void) {
  run(a_batch_is_one_request_with_the_token);
  run(an_event_is_a_cloud_event);
  run(an_event_of_a_node_has_no_namespace_in_its_subject);
  run(a_destination_that_is_busy_is_asked_again_not_earlier_than_it_says);
  run(the_sink_does_not_open_without_its_url);
  return failed();
}
