// The sink my-sink: posts each batch of Kubernetes events as CloudEvents (https://cloudevents.io, version 1.0).
#include "kubedl_events_sink.h"

static const char *url, *token;

const kes_description *sink_describe(void) {
  static const kes_env_var env[] = {
      {.name = "WEBHOOK_URL", .help = "URL that takes CloudEvents batches by POST.", .required = true, .secret = true},
      {.name = "WEBHOOK_TOKEN", .help = "Sent as Authorization: Bearer TOKEN.", .secret = true},
  };
  static const char *const hosts[] = {"${WEBHOOK_URL}"};
  static const kes_description description = {
      .name = "my-sink",
      .version = "0.1.0",
      .summary = "Posts events as CloudEvents, a batch a request",
      .env = env,
      .env_count = sizeof env / sizeof *env,
      .hosts = hosts,
      .host_count = sizeof hosts / sizeof *hosts,
      .batch_events = 500,
      .batch_bytes = 1024 * 1024,
  };
  return &description;
}

kes_outcome sink_open(void) {
  token = kes_env_get("WEBHOOK_TOKEN");
  return kes_env_require("WEBHOOK_URL", &url);
}

// Adds a JSON string made of parts, `/` between those that are not empty.
static void path(kes_buffer *to, const kes_string *parts, size_t count) {
  kes_buffer text = {0};
  for (size_t i = 0; i < count; i++) {
    if (parts[i].len == 0) continue;
    if (text.len > 0) kes_buffer_text(&text, "/");
    kes_buffer_string(&text, parts[i]);
  }
  kes_json_string(to, (kes_string){(uint8_t *)text.ptr, text.len});
  kes_buffer_free(&text);
}

// The place of an event among all events of all clusters.
static void source(kes_buffer *to, const kes_event *event) {
  kes_buffer text = {0};
  kes_buffer_text(&text, "/clusters/");
  if (event->cluster.is_some) kes_buffer_string(&text, event->cluster.val);
  else kes_buffer_text(&text, "default");
  kes_buffer_text(&text, "/namespaces/");
  kes_buffer_string(&text, event->namespace_);
  kes_buffer_text(&text, "/events/");
  kes_buffer_string(&text, event->name);
  kes_json_string(to, (kes_string){(uint8_t *)text.ptr, text.len});
  kes_buffer_free(&text);
}

// `source` and `id` are the same at each try of an event, so that the receiver can tell a repetition.
static void cloud_event(kes_buffer *to, const kes_event *event) {
  const kes_string id[] = {event->uid, event->resource_version};
  const kes_string subject[] = {event->regarding.kind, event->regarding.namespace_, event->regarding.name};
  kes_buffer_text(to, "{\"specversion\":\"1.0\",\"id\":");
  path(to, id, 2);
  kes_buffer_text(to, ",\"source\":");
  source(to, event);
  kes_buffer_text(to, ",\"type\":\"io.k8s.event.v1\"");
  if (subject[0].len + subject[1].len + subject[2].len > 0) {
    kes_buffer_text(to, ",\"subject\":");
    path(to, subject, 3);
  }
  kes_buffer_text(to, ",\"time\":\"");
  kes_rfc3339(to, event->last_timestamp);
  kes_buffer_text(to, "\",\"datacontenttype\":\"application/json\",\"data\":");
  kes_json_event(to, event);
  kes_buffer_text(to, "}");
}

kes_outcome sink_save(const kes_batch *batch, const kes_event *events, size_t count, kes_failures *failures) {
  (void)batch, (void)failures;
  kes_buffer body = {0}, bearer = {0};
  kes_buffer_text(&body, "[");
  for (size_t i = 0; i < count; i++) {
    if (i > 0) kes_buffer_text(&body, ",");
    cloud_event(&body, &events[i]);
  }
  kes_buffer_text(&body, "]");

  kes_header headers[2] = {{"Content-Type", "application/cloudevents-batch+json"}};
  size_t header_count = 1;
  if (token != NULL) {
    kes_buffer_text(&bearer, "Bearer ");
    kes_buffer_text(&bearer, token);
    kes_buffer_add(&bearer, "", 1);
    headers[header_count++] = (kes_header){"Authorization", bearer.ptr};
  }
  kes_request request = {"POST", url, headers, header_count, body.ptr, body.len, 0};
  kes_answer answer = kes_http_send(&request);
  kes_outcome outcome = kes_http_settle(&answer);  // KES_OK where the destination has stored the batch
  kes_answer_free(&answer);
  kes_buffer_free(&body);
  kes_buffer_free(&bearer);
  return outcome;
}
