// check runs the vendor's present Go SDK against a running sls-server: PutLogs by versions 1 and 4 in every
// compression, the producer, GetHistograms and GetLogs, and what the SDK makes of refusals.
//
//	check SLS_SERVER_BINARY
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"time"

	sls "github.com/aliyun/aliyun-log-go-sdk"
	"github.com/aliyun/aliyun-log-go-sdk/producer"
)

const project, store, keyID, secret, region = "sdk-check", "events", "check-id", "check-secret", "cn-hangzhou"

var contents = map[string]string{"Count": "1", "Reason": "", "Message": "Failed to pull \"a/b:1\": Überraschung 日志 😀\n\\"}

var wrong int

func report(name string, holds bool, detail ...any) {
	if holds {
		fmt.Println("ok     " + name)
		return
	}
	wrong++
	fmt.Println("WRONG  "+name+":", fmt.Sprint(detail...))
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: check SLS_SERVER_BINARY")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "error: cannot check the Go SDK:", err)
		os.Exit(1)
	}
	if wrong > 0 {
		fmt.Println("the sides do NOT agree")
		os.Exit(1)
	}
	fmt.Println("both sides agree")
}

func run(binary string) error {
	command := exec.Command(binary, "--project", project, "--log-store", store, "--key-id", keyID, "--key-secret", secret,
		"--region", region, "--stdin-lifeline")
	lifeline, err := command.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		return err
	}
	if err := command.Start(); err != nil {
		return err
	}
	ready, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return err
	}
	endpoint := strings.TrimSpace(strings.TrimPrefix(ready, "ready "))
	checkWays(endpoint)
	checkErrors(endpoint)
	err = checkProducer(endpoint)
	_ = lifeline.Close()
	return errors.Join(err, command.Wait())
}

// localhostClient knows every name under localhost (RFC 6761), which glibc doesn't.
func localhostClient() *http.Client {
	dial := (&net.Dialer{Timeout: 10 * time.Second}).DialContext
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			host, port, err := net.SplitHostPort(address)
			if err == nil && strings.HasSuffix(host, ".localhost") {
				address = net.JoinHostPort("127.0.0.1", port)
			}
			return dial(ctx, network, address)
		},
	}}
}

func client(endpoint, id, key string, version sls.AuthVersionType) sls.ClientInterface {
	made := sls.CreateNormalInterface(endpoint, id, key, "")
	made.SetHTTPClient(localhostClient())
	made.SetAuthVersion(version)
	made.SetRegion(region)
	return made
}

func group(topic string) *sls.LogGroup {
	return producerGroup(topic, producer.GenerateLog(uint32(time.Now().Unix()), contents))
}

func producerGroup(topic string, log *sls.Log) *sls.LogGroup {
	source := "kubelet/node"
	return &sls.LogGroup{Topic: &topic, Source: &source, Logs: []*sls.Log{log}}
}

func checkWays(endpoint string) {
	for _, version := range []sls.AuthVersionType{sls.AuthV1, sls.AuthV4} {
		made := client(endpoint, keyID, secret, version)
		for way, compression := range map[string]int{"lz4": sls.Compress_LZ4, "none": sls.Compress_None, "zstd": sls.Compress_ZSTD} {
			topic := string(version) + "-" + way
			err := made.PutLogsWithCompressType(project, store, group(topic), compression)
			report(topic+": is written", err == nil, err)
			readBack(made, topic, 1)
		}
		hash := "0123456789abcdef0123456789abcdef"
		topic := string(version) + "-by-hash-key"
		err := made.PostLogStoreLogs(project, store, group(topic), &hash)
		report(topic+": is written", err == nil, err)
		readBack(made, topic, 1)
	}
}

func readBack(made sls.ClientInterface, topic string, count int64) {
	from, to := time.Now().Unix()-3600, time.Now().Unix()+3600
	query := "pull AND Überraschung"
	histogram, err := made.GetHistograms(project, store, topic, from, to, query)
	report(topic+": the histogram counts it", err == nil && histogram.IsComplete() && histogram.Count == count, err)
	logs, err := made.GetLogs(project, store, topic, from, to, query, 100, 0, false)
	if err != nil || logs.Count != count || int64(len(logs.Logs)) != count {
		report(topic+": is read back", false, err, logs)
		return
	}
	for _, log := range logs.Logs {
		whole := log["__source__"] == "kubelet/node" && log["__topic__"] == topic && log["__time__"] != ""
		own := map[string]string{}
		for key, value := range log {
			if !strings.HasPrefix(key, "__") {
				own[key] = value
			}
		}
		report(topic+": is read back equal", whole && reflect.DeepEqual(own, contents), log)
	}
}

func checkErrors(endpoint string) {
	code := func(name, want string, err error) {
		var answered *sls.Error
		is := errors.As(err, &answered) && answered.Code == want
		report(name+" gives "+want, is, err)
	}
	for _, version := range []sls.AuthVersionType{sls.AuthV1, sls.AuthV4} {
		name := string(version)
		good := client(endpoint, keyID, secret, version)
		code(name+": a wrong secret", "SignatureNotMatch", client(endpoint, keyID, "wrong", version).PutLogs(project, store, group("t")))
		code(name+": an unknown key id", "Unauthorized", client(endpoint, "unknown", secret, version).PutLogs(project, store, group("t")))
		code(name+": a wrong store", "LogStoreNotExist", good.PutLogs(project, "other", group("t")))
		code(name+": a wrong project", "ProjectNotExist", good.PutLogs("other", store, group("t")))
		old := producer.GenerateLog(uint32(time.Now().Unix()-8*86400), contents)
		code(name+": an old log", "PostBodyInvalid", good.PutLogs(project, store, producerGroup("t", old)))
	}
}

func checkProducer(endpoint string) error {
	config := producer.GetDefaultProducerConfig()
	config.Endpoint, config.AllowLogLevel = endpoint, "error"
	config.CredentialsProvider = sls.NewStaticCredentialsProvider(keyID, secret, "")
	config.HTTPClient = localhostClient()
	config.GeneratePackId = true
	made, err := producer.NewProducer(config)
	if err != nil {
		return err
	}
	made.Start()
	for range 50 {
		log := producer.GenerateLog(uint32(time.Now().Unix()), contents)
		if err := made.SendLog(project, store, "producer", "kubelet/node", log); err != nil {
			return err
		}
	}
	made.SafeClose()
	readBack(client(endpoint, keyID, secret, sls.AuthV1), "producer", 50)
	return nil
}
