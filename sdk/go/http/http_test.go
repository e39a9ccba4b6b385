package http_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"kubedl-events.io/sink"
	"kubedl-events.io/sink/http"
	"kubedl-events.io/sink/testhost"
)

func answered(status int, body string, headers ...http.Header) http.Answer {
	return http.Answer{Status: status, Body: []byte(body), Headers: headers}
}

func expect(t *testing.T, answer http.Answer, wanted error) {
	t.Helper()
	if found := http.Settle(answer); !reflect.DeepEqual(found, wanted) {
		t.Errorf("%v is %#v, not %#v", answer, found, wanted)
	}
}

func TestAStatusDecidesWhoMustAct(t *testing.T) {
	for _, status := range []int{200, 201, 202, 204, 299} {
		expect(t, answered(status, "words"), nil)
	}
	for _, status := range []int{408, 425, 429, 500, 502, 503, 504, 599, 100, 600} {
		expect(t, answered(status, ""), &sink.Retry{Reason: "the destination answered " + itoa(status)})
	}
	for _, status := range []int{300, 301, 302, 304, 307, 308, 399, 401, 403, 404, 405, 407, 410} {
		expect(t, answered(status, ""), &sink.Misconfigured{Reason: "the destination answered " + itoa(status)})
	}
	for _, status := range []int{400, 402, 406, 409, 411, 413, 414, 415, 422, 431, 451, 499} {
		expect(t, answered(status, "words"), &sink.Refused{Reason: "the destination answered " + itoa(status) + ": words"})
	}
}

func itoa(status int) string {
	digits := "0123456789"
	return string([]byte{digits[status/100], digits[status/10%10], digits[status%10]})
}

func TestADestinationMaySayWhenToComeAgainInSeconds(t *testing.T) {
	cases := map[string]time.Duration{"7": 7 * time.Second, " 0 ": 0, "Wed, 21 Oct 2026 07:28:00 GMT": 0, "-1": 0, "1.5": 0, "": 0, "99999999999": 0}
	for value, wait := range cases {
		expect(t, answered(429, "", http.Header{Name: "RETRY-after", Value: value}), &sink.Retry{Reason: "the destination answered 429", After: wait})
	}
}

func TestNoAnswerIsToldWithItsCase(t *testing.T) {
	no := func(c http.Case, words string) http.Answer {
		return http.Answer{Err: &http.Error{Case: c, Words: words, Limit: 9}}
	}
	told := "no answer from the destination: "
	expect(t, no(http.Denied, "why"), &sink.Misconfigured{Reason: told + "denied: why"})
	expect(t, no(http.InvalidRequest, "why"), &sink.Misconfigured{Reason: told + "invalid request: why"})
	expect(t, no(http.RequestTooLarge, ""), &sink.Refused{Reason: told + "request too large: at most 9 bytes are granted"})
	expect(t, no(http.Timeout, ""), &sink.Retry{Reason: told + "timeout"})
	for _, c := range []http.Case{http.DNS, http.Connect, http.TLS, http.Proxy, http.NotSent, http.Interrupted, http.Protocol, http.Other} {
		expect(t, no(c, "why"), &sink.Retry{Reason: told + c.String() + ": why"})
	}
}

func TestABodyIsToldAsFarAsItIsText(t *testing.T) {
	smile := "\U0001F600"
	cases := map[string]string{
		" two\nlines\n":                  ": two\nlines",
		strings.Repeat("ü", 1000):        ": " + strings.Repeat("ü", 200),
		strings.Repeat(smile, 1000):      ": " + strings.Repeat(smile, 200),
		"a" + strings.Repeat(smile, 999): ": a" + strings.Repeat(smile, 199),
	}
	for _, none := range []string{"", " \n", "\x1f\x8b\x08", "a\x00b", "\xff\xfe", "a\xe2\x82"} {
		cases[none] = ""
	}
	for body, told := range cases {
		expect(t, answered(400, body), &sink.Refused{Reason: "the destination answered 400" + told})
	}
}

func TestAnswersAboutOneEventEachNameThoseThatFailed(t *testing.T) {
	failures, err := http.SettleAll([]http.Answer{answered(202, ""), answered(400, "words"), answered(401, "")})
	wanted := []sink.Failure{
		{Index: 1, Reason: "the destination answered 400: words"},
		{Index: 2, Retryable: true, Reason: "the destination answered 401"},
	}
	if err != nil || !reflect.DeepEqual(failures, wanted) {
		t.Errorf("found %v and %v", failures, err)
	}
}

func TestWhereNoEventWasStoredAPersonGoesBeforeARetryWithTheLongestWait(t *testing.T) {
	busy := func(seconds string) http.Answer {
		return answered(503, "", http.Header{Name: "Retry-After", Value: seconds})
	}
	_, err := http.SettleAll([]http.Answer{busy("1"), answered(401, "")})
	if wanted := (&sink.Misconfigured{Reason: "the destination answered 401"}); !reflect.DeepEqual(err, wanted) {
		t.Errorf("found %v", err)
	}
	_, err = http.SettleAll([]http.Answer{answered(503, ""), busy("2"), busy("1")})
	if wanted := (&sink.Retry{Reason: "the destination answered 503", After: 2 * time.Second}); !reflect.DeepEqual(err, wanted) {
		t.Errorf("found %v", err)
	}
	if failures, err := http.SettleAll([]http.Answer{busy("1"), answered(400, "")}); len(failures) != 2 || err != nil {
		t.Errorf("found %v and %v", failures, err)
	}
	if failures, err := http.SettleAll(nil); failures != nil || err != nil {
		t.Errorf("found %v and %v", failures, err)
	}
}

func TestRequestsGoOutAsTheyAreAndAnswersComeInTheirOrder(t *testing.T) {
	host := testhost.Play(t, answered(503, "busy"), http.Answer{Err: &http.Error{Case: http.Timeout}})
	requests := []http.Request{
		{Method: "PUT", URL: "https://a/", Body: []byte("x"), Headers: []http.Header{{Name: "X", Value: "1"}}, Timeout: time.Second},
		{Method: "GET", URL: "https://b/"},
	}
	answers := http.SendAll(requests)
	if answers[0].Status != 503 || string(answers[0].Body) != "busy" || answers[1].Err.Case != http.Timeout {
		t.Errorf("the answers are %v", answers)
	}
	if !reflect.DeepEqual(host.Requests, requests) {
		t.Errorf("the requests are %v", host.Requests)
	}
	if answer := http.Send(requests[1]); answer.Err == nil {
		t.Errorf("the answer is %v", answer)
	}
}
