import json
import unittest

from kubedl_events_sink import Timestamp, json_view, rfc3339
from kubedl_events_sink.testing import fake_event, fake_object


class JsonViewTest(unittest.TestCase):
    def test_what_is_empty_is_left_out_and_what_is_always_there_stays(self):
        self.assertEqual(
            json.dumps(json_view(fake_event(reason="", message="")), separators=(",", ":")),
            '{"lastTimestamp":"2026-11-23T10:32:46Z","type":"Warning","reason":"","regarding":{"kind":"Pod","namespace":"train","name":"p"},'
            '"message":"","count":1,"firstTimestamp":"2026-11-23T10:32:46Z","observedAt":"2026-11-23T10:32:46Z","namespace":"train",'
            '"name":"p.17a","uid":"u-1","resourceVersion":"4711"}',
        )

    def test_what_is_there_comes_in_the_order_of_the_sink_stdout(self):
        event = fake_event(
            component="c",
            host="h",
            instance="i",
            action="a",
            related=fake_object(kind="Pod", field_path="f", api_version="v1", uid="u"),
            job=fake_object(),
            region="",
            cluster="k",
            labels=[("b", "2"), ("a", "1"), ("b", "3")],
        )
        text = json.dumps(json_view(event), separators=(",", ":"))
        self.assertEqual(
            text[text.index('"component"') :],
            '"component":"c","host":"h","instance":"i","action":"a","related":{"kind":"Pod","uid":"u","apiVersion":"v1","fieldPath":"f"},'
            '"job":{},"region":"","cluster":"k","labels":{"a":"1","b":"3"}}',
        )

    def test_times_have_the_digits_that_they_need_and_a_year_that_four_digits_can_say(self):
        cases = [
            (0, 0, "1970-01-01T00:00:00Z"),
            (-1, 999_999_999, "1969-12-31T23:59:59.999999999Z"),
            (1_795_429_966, 250_000_000, "2026-11-23T10:32:46.25Z"),
            (1_795_429_966, 1, "2026-11-23T10:32:46.000000001Z"),
            (-62_135_596_800, 0, "0001-01-01T00:00:00Z"),
            (-62_135_596_801, 0, "0001-01-01T00:00:00Z"),
            (253_402_300_800, 5, "9999-12-31T23:59:59.000000005Z"),
            (2**63 - 1, 0, "9999-12-31T23:59:59Z"),
            (-(2**63), 0, "0001-01-01T00:00:00Z"),
        ]
        for seconds, nanoseconds, text in cases:
            self.assertEqual(rfc3339(Timestamp(seconds, nanoseconds)), text)
