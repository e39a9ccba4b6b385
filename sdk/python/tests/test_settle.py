import unittest

from kubedl_events_sink import Failure, Misconfigured, Refused, Retry, SinkError, http


def answered(status, body=b"words", headers=()):
    return http.Response(status, list(headers), body, False)


def outcome(answer):
    try:
        http.settle(answer)
    except SinkError as error:
        return type(error), error.reason
    return "stored"


class SettleTest(unittest.TestCase):
    def test_a_status_decides_who_must_act(self):
        for status in (200, 201, 202, 204, 299):
            self.assertEqual(outcome(answered(status)), "stored")
        others = {
            Retry: (408, 425, 429, 500, 502, 503, 504, 599, 100, 600),
            Misconfigured: (300, 301, 302, 304, 307, 308, 399, 401, 403, 404, 405, 407, 410),
            Refused: (400, 402, 406, 409, 411, 413, 414, 415, 422, 431, 451, 499),
        }
        for kind, statuses in others.items():
            for status in statuses:
                self.assertEqual(outcome(answered(status)), (kind, f"the destination answered {status}: words"))

    def test_a_destination_may_say_when_to_come_again_in_seconds(self):
        def wait(value):
            with self.assertRaises(Retry) as raised:
                http.settle(answered(429, b"", [("Retry-After", value)]))
            return raised.exception.after

        self.assertEqual((wait("7"), wait(" 0 ")), (7, 0))
        for other in ("Wed, 21 Oct 2026 07:28:00 GMT", "-1", "1.5", "", "²", "99999999999"):
            self.assertIsNone(wait(other))

    def test_no_answer_is_told_with_its_case(self):
        told = "no answer from the destination: "
        self.assertEqual(outcome(http.NoAnswer("denied", "why")), (Misconfigured, told + "denied: why"))
        self.assertEqual(outcome(http.NoAnswer("invalid request", "why")), (Misconfigured, told + "invalid request: why"))
        self.assertEqual(outcome(http.NoAnswer("request too large", "why"))[0], Refused)
        self.assertEqual(outcome(http.NoAnswer("timeout")), (Retry, told + "timeout"))
        for case in ("dns", "connect", "tls", "proxy", "not sent", "interrupted", "protocol", "other"):
            self.assertEqual(outcome(http.NoAnswer(case, "why")), (Retry, f"{told}{case}: why"))

    def test_a_body_is_told_as_far_as_it_is_text(self):
        def told(body):
            return outcome(answered(400, body))[1].removeprefix("the destination answered 400")

        self.assertEqual(told(b" two\nlines\n"), ": two\nlines")
        self.assertEqual(told(("ü" * 1000).encode()), ": " + "ü" * 200)
        self.assertEqual(told(("\U0001f600" * 1000).encode()), ": " + "\U0001f600" * 200)
        self.assertEqual(told(("a" + "\U0001f600" * 1000).encode()), ": a" + "\U0001f600" * 199)
        for none in (b"", b" \n", b"\x1f\x8b\x08", b"a\0b", b"\xff\xfe", b"a\xe2\x82"):
            self.assertEqual(told(none), "")

    def test_answers_about_one_event_each_name_those_that_failed(self):
        failure = Failure(1, False, "the destination answered 400: words")
        self.assertEqual(http.settle_all([answered(202), answered(400)]), [failure])
        self.assertEqual(http.settle_all([]), [])

    def test_where_no_event_was_stored_a_person_goes_before_a_retry_with_the_longest_wait(self):
        def busy(seconds):
            return answered(503, b"", [("retry-after", seconds)])

        with self.assertRaises(Misconfigured):
            http.settle_all([busy("1"), answered(401)])
        with self.assertRaises(Retry) as raised:
            http.settle_all([answered(503), busy("2"), busy("1")])
        self.assertEqual(raised.exception.after, 2)
        self.assertEqual(len(http.settle_all([busy("1"), answered(400)])), 2)
        self.assertTrue(http.settle_all([answered(200), answered(401)])[0].retryable)
