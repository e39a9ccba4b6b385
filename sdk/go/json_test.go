package sink_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"kubedl-events.io/sink"
	"kubedl-events.io/sink/testhost"
)

func TestWhatIsEmptyIsLeftOutAndWhatIsAlwaysThereStays(t *testing.T) {
	event := testhost.Event()
	event.Reason, event.Message = "", ""
	wanted := `{"lastTimestamp":"2026-11-23T10:32:46Z","type":"Warning","reason":"","regarding":{"kind":"Pod","namespace":"train","name":"p"},` +
		`"message":"","count":1,"firstTimestamp":"2026-11-23T10:32:46Z","observedAt":"2026-11-23T10:32:46Z","namespace":"train",` +
		`"name":"p.17a","uid":"u-1","resourceVersion":"4711"}`
	if found := string(sink.AppendJSON(nil, &event)); found != wanted {
		t.Errorf("found %s", found)
	}
}

func TestWhatIsThereComesInTheOrderOfTheSinkStdout(t *testing.T) {
	event := testhost.Event()
	region, cluster := "", "k"
	event.Component, event.Host, event.Instance, event.Action = "c", "h", "i", "a"
	event.Related = &sink.Object{Kind: "Pod", FieldPath: "f", APIVersion: "v1", UID: "u"}
	event.Job, event.Region, event.Cluster = &sink.Object{}, &region, &cluster
	event.Labels = []sink.Pair{{Key: "b", Value: "2"}, {Key: "a", Value: "1"}, {Key: "b", Value: "3"}}
	event.Count = math.MaxUint32
	found := string(sink.AppendJSON(nil, &event))
	wanted := `"component":"c","host":"h","instance":"i","action":"a","related":{"kind":"Pod","uid":"u","apiVersion":"v1","fieldPath":"f"},` +
		`"job":{},"region":"","cluster":"k","labels":{"a":"1","b":"3"}}`
	if !strings.HasSuffix(found, wanted) || !strings.Contains(found, `"count":4294967295,`) {
		t.Errorf("found %s", found)
	}
}

func TestAnEventIsItsViewForEncodingJSON(t *testing.T) {
	found, err := json.Marshal(map[string]sink.Event{"data": testhost.Event()})
	if err != nil || !strings.HasPrefix(string(found), `{"data":{"lastTimestamp":"2026-11-23T10:32:46Z",`) {
		t.Errorf("found %s: %v", found, err)
	}
}

func TestAStringEscapesControlsQuotesAndBackslashesAlone(t *testing.T) {
	found := string(sink.AppendJSONString(nil, "\x00\x01\b\t\n\v\f\r\x1f \"\\/<\x7f\u2028\U0001F600"))
	if wanted := `"\u0000\u0001\b\t\n\u000b\f\r\u001f \"\\/<` + "\x7f\u2028\U0001F600\""; found != wanted {
		t.Errorf("found %s", found)
	}
	for r := rune(0); r <= 0x10ffff; r += 0x11 {
		var back string
		text := string(r)
		if err := json.Unmarshal(sink.AppendJSONString(nil, text), &back); err != nil || back != text {
			t.Fatalf("%U came back as %q: %v", r, back, err)
		}
	}
}

func TestAMomentHasTheDigitsThatItNeedsAndAYearThatFourDigitsCanSay(t *testing.T) {
	cases := map[sink.Timestamp]string{
		{Seconds: 0}:                                       "1970-01-01T00:00:00Z",
		{Seconds: -1, Nanoseconds: 999_999_999}:            "1969-12-31T23:59:59.999999999Z",
		{Seconds: 1_795_429_966, Nanoseconds: 250_000_000}: "2026-11-23T10:32:46.25Z",
		{Seconds: 1_795_429_966, Nanoseconds: 1}:           "2026-11-23T10:32:46.000000001Z",
		{Seconds: -62_135_596_800}:                         "0001-01-01T00:00:00Z",
		{Seconds: -62_135_596_801}:                         "0001-01-01T00:00:00Z",
		{Seconds: 253_402_300_800, Nanoseconds: 5}:         "9999-12-31T23:59:59.000000005Z",
		{Seconds: math.MaxInt64}:                           "9999-12-31T23:59:59Z",
		{Seconds: math.MinInt64}:                           "0001-01-01T00:00:00Z",
	}
	for moment, wanted := range cases {
		if found := moment.String(); found != wanted {
			t.Errorf("%v is %s, not %s", moment, found, wanted)
		}
	}
}

func TestAWaitIsNeverShorterThanAskedForAndFitsTheContract(t *testing.T) {
	cases := map[time.Duration]uint32{-1: 0, 0: 0, 1: 1, 1500 * time.Microsecond: 2, math.MaxInt64: math.MaxUint32, 1e18: math.MaxUint32}
	for wait, wanted := range cases {
		if found := sink.Milliseconds(wait); found != wanted {
			t.Errorf("%v is %d, not %d", wait, found, wanted)
		}
	}
}

func TestARawEventIsThereOrNot(t *testing.T) {
	testhost.Play(t).Raw = []string{"{}"}
	text, there := sink.RawEvent(0)
	if _, beyond := sink.RawEvent(1); text != "{}" || !there || beyond {
		t.Errorf("found %q, %v, %v", text, there, beyond)
	}
}
