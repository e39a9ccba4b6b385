import json
import unittest

from componentize_py_types import Err
from kubedl_events_sink import Batch
from kubedl_events_sink.testing import fake_event, fake_host, fake_object, response
from webhook import EventSink, cloud_event

ENV = {"WEBHOOK_URL": "https://hooks.example.com/in", "WEBHOOK_TOKEN": "t"}


def save(*events):
    EventSink().open()
    return EventSink().save_events(Batch(0, False, []), list(events))


class WebhookTest(unittest.TestCase):
    def test_a_batch_is_one_request_with_the_token(self):
        with fake_host(ENV, [response(202)]) as seen:
            self.assertEqual(save(fake_event(), fake_event(resource_version="4712")), [])
        (request,) = seen.requests
        self.assertEqual(request.url, ENV["WEBHOOK_URL"])
        self.assertEqual(request.headers, {"content-type": "application/cloudevents-batch+json", "authorization": "Bearer t"})
        self.assertEqual([event["id"] for event in json.loads(request.body)], ["u-1/4711", "u-1/4712"])

    def test_a_destination_that_is_busy_is_asked_again_not_earlier_than_it_says(self):
        with fake_host(ENV, [response(429, {"Retry-After": "7"})]), self.assertRaises(Err) as raised:
            save(fake_event())
        self.assertEqual(raised.exception.value.value.after_ms, 7000)

    def test_the_sink_does_not_open_without_its_url(self):
        with fake_host(), self.assertRaises(Err) as raised:
            save()
        self.assertEqual(raised.exception.value.value, "the variable WEBHOOK_URL is not set")

    def test_an_event_of_a_node_has_no_namespace_in_its_subject(self):
        self.assertEqual(cloud_event(fake_event(regarding=fake_object(kind="Node", name="n1")))["subject"], "Node/n1")
        self.assertNotIn("subject", cloud_event(fake_event(regarding=fake_object())))
