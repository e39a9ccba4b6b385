// kubedl-read reads events as the KubeDL manager does, with the version of the SDK in its go.mod: the query
// "{namespace} AND {name}", GetHistograms for the count, GetLogs in pages of 100, and the same strict parsing.
// Source: kubedl-io/kubedl pkg/storage/backends/events/aliyun_sls/sls_logstore.go, ListEvent.
//
// It prints the events that KubeDL would return, as JSON lines, and fails where KubeDL would fail. With "logs" it prints
// the logs as the SDK gives them.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"sort"
	"strconv"
	"strings"
	"time"

	sls "github.com/aliyun/aliyun-log-go-sdk"
)

const pageSize int64 = 100

// Event has the fields that KubeDL fills.
type Event struct {
	Name, Kind, Type, ObjNamespace, ObjName, ObjUID, Reason, Message string

	Region                        *string
	Count                         int32
	FirstTimestamp, LastTimestamp time.Time
}

func main() {
	if len(os.Args) != 10 && (len(os.Args) != 11 || os.Args[10] != "logs") {
		fmt.Fprintln(os.Stderr, "usage: kubedl-read ENDPOINT PROJECT STORE KEYID SECRET NAMESPACE NAME FROM TO [logs]")
		os.Exit(2)
	}
	resolveLocalhostNames()
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "error: cannot read events as KubeDL does:", err)
		os.Exit(1)
	}
}

// resolveLocalhostNames makes every name under localhost this machine (RFC 6761), which glibc doesn't. The SDK uses
// the default transport.
func resolveLocalhostNames() {
	dial := (&net.Dialer{Timeout: 10 * time.Second}).DialContext
	http.DefaultTransport.(*http.Transport).DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(address)
		if err == nil && strings.HasSuffix(host, ".localhost") {
			address = net.JoinHostPort("127.0.0.1", port)
		}
		return dial(ctx, network, address)
	}
}

func run(args []string) error {
	client := &sls.Client{Endpoint: args[0], AccessKeyID: args[3], AccessKeySecret: args[4]}
	from, err := strconv.ParseInt(args[7], 10, 64)
	if err != nil {
		return err
	}
	to, err := strconv.ParseInt(args[8], 10, 64)
	if err != nil {
		return err
	}
	if len(args) == 10 {
		return printLogs(client, args[1], args[2], args[5]+" AND "+args[6], from, to)
	}
	events, err := list(client, args[1], args[2], args[5]+" AND "+args[6], from, to)
	if err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	for _, event := range events {
		if err := out.Encode(event); err != nil {
			return err
		}
	}
	return nil
}

// printLogs prints a page of logs as the SDK gives them, before KubeDL's parsing.
func printLogs(client *sls.Client, project, store, query string, from, to int64) error {
	page, err := client.GetLogs(project, store, "", from, to, query, pageSize, 0, false)
	if err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	for _, log := range page.Logs {
		if err := out.Encode(log); err != nil {
			return err
		}
	}
	return nil
}

func list(client *sls.Client, project, store, query string, from, to int64) ([]*Event, error) {
	histogram, err := client.GetHistograms(project, store, "", from, to, query)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(os.Stderr, "the histogram counts %d\n", histogram.Count)
	var events []*Event
	for offset := int64(0); offset < histogram.Count; offset += pageSize {
		lines := min(pageSize, histogram.Count-offset)
		page, err := client.GetLogs(project, store, "", from, to, query, lines, offset, false)
		if err != nil {
			return nil, err
		}
		parsed, err := parse(page)
		if err != nil {
			return nil, err
		}
		events = append(events, parsed...)
	}
	return events, nil
}

// parse sorts a page by the text of FirstTimestamp and keeps one event of each involved object, as KubeDL does.
func parse(page *sls.GetLogsResponse) ([]*Event, error) {
	sort.Slice(page.Logs, func(i, j int) bool {
		return page.Logs[i]["FirstTimestamp"] < page.Logs[j]["FirstTimestamp"]
	})
	var events []*Event
	seen := map[string]bool{}
	for _, log := range page.Logs {
		event, err := parseEvent(log)
		if err != nil {
			return nil, err
		}
		if !seen[event.ObjUID] {
			seen[event.ObjUID] = true
			events = append(events, event)
		}
	}
	return events, nil
}

func parseEvent(log map[string]string) (*Event, error) {
	count, err := strconv.Atoi(log["Count"])
	if err != nil {
		return nil, err
	}
	first, err := time.Parse(time.RFC3339, log["FirstTimestamp"])
	if err != nil {
		return nil, err
	}
	last, err := time.Parse(time.RFC3339, log["LastTimestamp"])
	if err != nil {
		return nil, err
	}
	event := &Event{
		Name: log["Name"], Kind: log["Kind"], Type: log["Type"], Reason: log["Reason"], Message: log["Message"],
		ObjNamespace: log["ObjNamespace"], ObjName: log["ObjName"], ObjUID: log["ObjUID"],
		Count: int32(count), FirstTimestamp: first, LastTimestamp: last,
	}
	if region, found := log["Region"]; found {
		event.Region = &region
	}
	return event, nil
}
