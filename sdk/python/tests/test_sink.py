import re
import unittest
from pathlib import Path

from componentize_py_types import Err
from kubedl_events_sink import Batch, Description, Failure, Misconfigured, Refused, Retry, Sink, SinkError, env, export, http, raw_event
from kubedl_events_sink.testing import fake_event, fake_host, response
from wit_world.exports import event_sink as contract
from wit_world.imports import http as host

SDK = Path(__file__).parent.parent
BATCH = Batch(0, False, [])


def exported(saved):
    class Saving(Sink):
        def describe(self):
            return Description("a", "1", "s")

        def save(self, batch, events):
            return saved()

    return export(Saving)()


def throwing(error):
    def save():
        raise error

    return exported(save)


class SinkTest(unittest.TestCase):
    def test_what_is_not_said_about_a_sink_is_empty(self):
        self.assertEqual(exported(list).describe(), contract.Description("a", "1", "s", [], [], 0, 0, []))

    def test_errors_of_a_sink_become_the_contracts(self):
        expected = {
            Retry("r", 0.0015): contract.Error_Retry(contract.Retry("r", 2)),
            Retry("r", 1e12): contract.Error_Retry(contract.Retry("r", 0xFFFF_FFFF)),
            Refused("f"): contract.Error_Refused("f"),
            Misconfigured("m"): contract.Error_Misconfigured("m"),
        }
        for error, value in expected.items():
            with self.assertRaises(Err) as raised:
                throwing(error).save_events(BATCH, [])
            self.assertEqual(raised.exception.value, value)

    def test_failures_have_milliseconds(self):
        saved = exported(lambda: [Failure(3, True, "busy", after=1.5)]).save_events(BATCH, [])
        self.assertEqual(saved, [contract.Failure(3, True, 1500, "busy")])

    def test_a_bug_stays_a_bug(self):
        for bug in (ZeroDivisionError(), SinkError("which?")):
            with self.assertRaises((ZeroDivisionError, TypeError)):
                throwing(bug).save_events(BATCH, [])
        with self.assertRaises(TypeError):
            exported(lambda: None).save_events(BATCH, [])

    def test_a_variable_that_is_empty_is_absent(self):
        with fake_host({"A": "a", "B": ""}):
            self.assertEqual((env.get("A"), env.get("B"), env.get("C"), env.require("A")), ("a", None, None, "a"))
            with self.assertRaises(Misconfigured):
                env.require("B")

    def test_requests_go_out_as_bytes_and_answers_come_in_their_order(self):
        with fake_host(answers=[response(503, body="ü"), host.Error_RequestTooLarge(9)], raw=["{}"]) as seen:
            answers = http.send_all([http.Request("PUT", "https://a/", [("X", "1")], "ä\ud800", 1.5), http.Request("GET", "https://b/")])
            self.assertEqual(http.send(http.Request("GET", "https://b/")), answers[1])
            self.assertEqual((raw_event(0), raw_event(1)), ("{}", None))
        self.assertEqual(seen.requests[0], http.Request("PUT", "https://a/", {"x": "1"}, "ä?".encode(), 1.5))
        self.assertEqual((answers[0].status, answers[0].text()), (503, "ü"))
        self.assertEqual(answers[1], http.NoAnswer("request too large", "at most 9 bytes are granted"))

    def test_the_sink_of_the_readme_posts_lines_of_json(self):
        source = re.search(r"```python\n(.*?)```", (SDK / "README.md").read_text(), re.DOTALL).group(1)
        module = {}
        exec(source, module)
        with fake_host({"LINES_URL": "https://logs.example.com/in"}) as seen:
            module["EventSink"]().open()
            self.assertEqual(module["EventSink"]().save_events(BATCH, [fake_event(), fake_event()]), [])
        self.assertEqual(seen.requests[0].body.count(b"\n"), 2)

    def test_the_copy_of_the_contract_is_the_contract(self):
        top = SDK.parent.parent / "wit"
        for file in top.rglob("*.wit"):
            copy = SDK / "wit" / file.relative_to(top)
            self.assertEqual(copy.read_text(), file.read_text(), f"copy {copy.name} again")
