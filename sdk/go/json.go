package sink

import (
	"sort"
	"strconv"
	"time"
)

// 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z: what four digits of a year can say; others become the nearest.
const (
	earliest = -62_135_596_800
	latest   = 253_402_300_799
)

// AppendJSON appends an event as a JSON object, with the keys of the sink stdout. What is optional and empty is left out.
func AppendJSON(to []byte, event *Event) []byte {
	to = AppendRFC3339(append(to, `{"lastTimestamp":"`...), event.LastTimestamp)
	to = AppendJSONString(append(to, `","type":`...), event.Type)
	to = AppendJSONString(append(to, `,"reason":`...), event.Reason)
	to = appendObject(append(to, `,"regarding":`...), &event.Regarding)
	to = AppendJSONString(append(to, `,"message":`...), event.Message)
	to = strconv.AppendUint(append(to, `,"count":`...), uint64(event.Count), 10)
	to = AppendRFC3339(append(to, `,"firstTimestamp":"`...), event.FirstTimestamp)
	to = AppendRFC3339(append(to, `","observedAt":"`...), event.ObservedAt)
	to = AppendJSONString(append(to, `","namespace":`...), event.Namespace)
	to = AppendJSONString(append(to, `,"name":`...), event.Name)
	to = AppendJSONString(append(to, `,"uid":`...), event.UID)
	to = AppendJSONString(append(to, `,"resourceVersion":`...), event.ResourceVersion)
	to = appendFilled(to, `,"component":`, event.Component)
	to = appendFilled(to, `,"host":`, event.Host)
	to = appendFilled(to, `,"instance":`, event.Instance)
	to = appendFilled(to, `,"action":`, event.Action)
	if event.Related != nil {
		to = appendObject(append(to, `,"related":`...), event.Related)
	}
	if event.Job != nil {
		to = appendObject(append(to, `,"job":`...), event.Job)
	}
	if event.Region != nil {
		to = AppendJSONString(append(to, `,"region":`...), *event.Region)
	}
	if event.Cluster != nil {
		to = AppendJSONString(append(to, `,"cluster":`...), *event.Cluster)
	}
	if len(event.Labels) > 0 {
		to = appendLabels(append(to, `,"labels":`...), event.Labels)
	}
	return append(to, '}')
}

// MarshalJSON is AppendJSON for encoding/json, so that an event can be a field of a larger value.
func (event Event) MarshalJSON() ([]byte, error) {
	return AppendJSON(make([]byte, 0, 512+len(event.Message)), &event), nil
}

// AppendRFC3339 appends a moment in UTC, with as many digits after the second as there are; no quotes.
func AppendRFC3339(to []byte, moment Timestamp) []byte {
	seconds := min(max(moment.Seconds, earliest), latest)
	return time.Unix(seconds, int64(moment.Nanoseconds)).UTC().AppendFormat(to, "2006-01-02T15:04:05.999999999Z07:00")
}

// String is the moment as RFC 3339 text.
func (moment Timestamp) String() string { return string(AppendRFC3339(nil, moment)) }

// AppendJSONString appends a JSON string with its quotes: controls, quotes and backslashes are escaped, all else is as it is.
func AppendJSONString(to []byte, text string) []byte {
	const hex = "0123456789abcdef"
	to = append(to, '"')
	plain := 0 // where the part begins that needs no escape
	for i := 0; i < len(text); i++ {
		b := text[i]
		if b >= 0x20 && b != '"' && b != '\\' {
			continue
		}
		to = append(to, text[plain:i]...)
		plain = i + 1
		switch b {
		case '"', '\\':
			to = append(to, '\\', b)
		case '\b':
			to = append(to, '\\', 'b')
		case '\f':
			to = append(to, '\\', 'f')
		case '\n':
			to = append(to, '\\', 'n')
		case '\r':
			to = append(to, '\\', 'r')
		case '\t':
			to = append(to, '\\', 't')
		default:
			to = append(to, '\\', 'u', '0', '0', hex[b>>4], hex[b&15])
		}
	}
	return append(append(to, text[plain:]...), '"')
}

func appendFilled(to []byte, key, value string) []byte {
	if value == "" {
		return to
	}
	return AppendJSONString(append(to, key...), value)
}

func appendObject(to []byte, object *Object) []byte {
	begin := len(to)
	to = append(to, '{')
	to = appendFilled(to, `,"kind":`, object.Kind)
	to = appendFilled(to, `,"namespace":`, object.Namespace)
	to = appendFilled(to, `,"name":`, object.Name)
	to = appendFilled(to, `,"uid":`, object.UID)
	to = appendFilled(to, `,"apiVersion":`, object.APIVersion)
	to = appendFilled(to, `,"fieldPath":`, object.FieldPath)
	if len(to) > begin+1 { // without the comma of the first key
		to = append(to[:begin+1], to[begin+2:]...)
	}
	return append(to, '}')
}

// appendLabels sorts; of a key that comes twice the last counts.
func appendLabels(to []byte, labels []Pair) []byte {
	sorted := append([]Pair(nil), labels...)
	sort.SliceStable(sorted, func(i, j int) bool { return sorted[i].Key < sorted[j].Key })
	to = append(to, '{')
	first := true
	for i, label := range sorted {
		if i+1 < len(sorted) && sorted[i+1].Key == label.Key {
			continue
		}
		if !first {
			to = append(to, ',')
		}
		first = false
		to = AppendJSONString(append(AppendJSONString(to, label.Key), ':'), label.Value)
	}
	return append(to, '}')
}
