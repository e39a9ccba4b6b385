package http

import (
	"errors"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"kubedl-events.io/sink"
)

// longestWords are the characters of an answer's body that are told.
const longestWords = 200

// Settle is what an answer means for the events it was about; nil where they are stored.
//
//	2xx                                nil
//	408, 425, 429, 5xx                 *sink.Retry, not before the seconds of Retry-After
//	3xx, 401, 403, 404, 405, 407, 410  *sink.Misconfigured
//	other 4xx                          *sink.Refused
//	Denied, InvalidRequest             *sink.Misconfigured
//	RequestTooLarge                    *sink.Refused
//	no answer for another reason       *sink.Retry
func Settle(answer Answer) error {
	if answer.Err != nil {
		return ofError(answer.Err)
	}
	return ofStatus(&answer)
}

// SettleAll is the same for answers that each are about one event, in the order of the events: what Save returns. Where no event was stored,
// and all need the same (a person, or a later try), that is the error.
func SettleAll(answers []Answer) ([]sink.Failure, error) {
	var failures []sink.Failure
	var failed []error
	for i, answer := range answers {
		if err := Settle(answer); err != nil {
			failed = append(failed, err)
			failures = append(failures, failure(i, err))
		}
	}
	if len(failed) > 0 && len(failed) == len(answers) {
		if err := common(failed); err != nil {
			return nil, err
		}
	}
	return failures, nil
}

func failure(index int, err error) sink.Failure {
	var refused *sink.Refused
	made := sink.Failure{Index: index, Retryable: !errors.As(err, &refused), Reason: err.Error()}
	var retry *sink.Retry
	if errors.As(err, &retry) {
		made.After = retry.After
	}
	return made
}

// common: what a person must mend goes before a retry, and a retry of all takes the longest wait.
func common(failed []error) error {
	var wait time.Duration
	retries := 0
	for _, err := range failed {
		switch err := err.(type) {
		case *sink.Misconfigured:
			return err
		case *sink.Retry:
			retries++
			wait = max(wait, err.After)
		}
	}
	if retries < len(failed) {
		return nil
	}
	return &sink.Retry{Reason: failed[0].Error(), After: wait}
}

func ofStatus(answer *Answer) error {
	status := answer.Status
	if status >= 200 && status < 300 {
		return nil
	}
	reason := "the destination answered " + strconv.Itoa(status)
	if told := words(answer.Body); told != "" {
		reason += ": " + told
	}
	switch status {
	case 401, 403, 404, 405, 407, 410:
		return &sink.Misconfigured{Reason: reason}
	case 408, 425, 429:
		return &sink.Retry{Reason: reason, After: retryAfter(answer)}
	}
	switch status / 100 {
	case 3:
		return &sink.Misconfigured{Reason: reason}
	case 4:
		return &sink.Refused{Reason: reason}
	}
	// 5xx; and what no destination should answer says nothing against the events either.
	return &sink.Retry{Reason: reason, After: retryAfter(answer)}
}

func ofError(err *Error) error {
	reason := "no answer from the destination: " + err.Error()
	switch err.Case {
	case Denied, InvalidRequest:
		return &sink.Misconfigured{Reason: reason}
	case RequestTooLarge:
		return &sink.Refused{Reason: reason + ": at most " + strconv.FormatUint(err.Limit, 10) + " bytes are granted"}
	}
	return &sink.Retry{Reason: reason}
}

// retryAfter reads seconds only: for a date the clocks of both sides would have to agree.
func retryAfter(answer *Answer) time.Duration {
	seconds, err := strconv.ParseUint(strings.TrimSpace(answer.Header("Retry-After")), 10, 32)
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// words is the beginning of a body, if it is text: UTF-8 without control characters other than white space.
func words(body []byte) string {
	// A character takes four bytes at most: more need not be looked at.
	text := body[:min(len(body), longestWords*utf8.UTFMax)]
	if len(text) < len(body) {
		for cut := 1; cut < utf8.UTFMax && cut < len(text); cut++ {
			if last := text[len(text)-cut:]; utf8.RuneStart(last[0]) {
				if !utf8.FullRune(last) {
					text = text[:len(text)-cut]
				}
				break
			}
		}
	}
	if !utf8.Valid(text) {
		return ""
	}
	told := []rune(strings.TrimSpace(string(text)))
	told = told[:min(len(told), longestWords)]
	for _, r := range told {
		if unicode.IsControl(r) && !unicode.IsSpace(r) {
			return ""
		}
	}
	return string(told)
}
