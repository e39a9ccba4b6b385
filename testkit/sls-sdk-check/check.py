"""Runs the vendor's Python SDK against the test server of `testkit::sls`, or reads a log store with it.

    check.py check --server PATH     starts `sls-server` at PATH several times and checks both sides against each other
    check.py read  --endpoint ...    prints each log that a query finds as a line of JSON, contents in order
"""

import argparse
import json
import socket
import subprocess
import sys
import time

from aliyun.log import GetHistogramsRequest, GetLogsRequest, LogClient, LogException, LogItem, PutLogsRequest
from aliyun.log.auth import AUTH_VERSION_1, AUTH_VERSION_4

PROJECT, STORE, KEY_ID, SECRET, REGION = "sdk-check", "events", "check-id", "check-secret", "cn-hangzhou"
CONTENTS = [
    ("FirstTimestamp", "2026-01-02T03:04:05Z"),
    ("Count", "1"),
    ("Reason", ""),
    ("Message", 'Failed to pull image "a/b:1": Überraschung 日志 \U0001f600\n\ttab \\ end'),
    ("Long", "pulled " * 2000),
]


def resolve_localhost_names():
    """RFC 6761: every name under localhost is this machine, though glibc knows only the one."""
    ask = socket.getaddrinfo

    def answer(host, *args, **kwargs):
        text = host.decode() if isinstance(host, bytes) else host
        is_local = isinstance(text, str) and text.endswith(".localhost")
        return ask("127.0.0.1" if is_local else host, *args, **kwargs)

    socket.getaddrinfo = answer


class Server:
    """One `sls-server`, which ends with its standard input."""

    def __init__(self, path, *more):
        names = ["--project", PROJECT, "--log-store", STORE, "--key-id", KEY_ID, "--key-secret", SECRET]
        command = [path, *names, "--region", REGION, "--stdin-lifeline", *more]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.endpoint = self.process.stdout.readline().split()[1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(10)


def client(server, version=AUTH_VERSION_1, secret=SECRET, key_id=KEY_ID, token=None):
    return LogClient(server.endpoint, key_id, secret, securityToken=token, auth_version=version, region=REGION)


def put(sls, topic, way="lz4", store=STORE, when=None, contents=CONTENTS, hash_key=None):
    item = LogItem(timestamp=when or int(time.time()), contents=contents)
    kind = way if way == "zstd" else None
    return sls.put_logs(PutLogsRequest(PROJECT, store, topic, "kubelet/node", [item], hashKey=hash_key,
                                       compress=way != "none", compress_type=kind, logtags=[("__pack_id__", "AB-0")]))


def report(name, holds, detail=None):
    print(("ok     " if holds else "WRONG  ") + name + ("" if holds else ": %r" % (detail,)))
    return holds


def fails_with(name, code, action):
    try:
        action()
    except LogException as error:
        return report("%s gives %s" % (name, code), error.get_error_code() == code,
                      (error.get_error_code(), error.get_error_message()))
    return report("%s gives %s" % (name, code), False, "no error")


def read_back(sls, topic):
    """Both ways to read what `put` wrote under this topic."""
    now = int(time.time())
    span = (PROJECT, STORE, now - 3600, now + 3600, topic, 'pull AND Überraschung AND "a/b:1"')
    histogram = sls.get_histograms(GetHistogramsRequest(*span))
    counted = histogram.is_completed() and histogram.get_total_count() == 1
    answer = sls.get_logs(GetLogsRequest(*span, line=100))
    logs = answer.get_logs()
    contents = logs[0].get_contents() if len(logs) == 1 else {}
    own = [(key, value) for key, value in contents.items() if not key.startswith("__")]
    frame = (logs[0].get_source(), contents.get("__topic__"), contents.get("__tag__:__pack_id__")) if logs else None
    return (report(topic + ": the histogram counts it", counted, histogram.get_total_count())
            & report(topic + ": read back equal and in order", answer.is_completed() and own == CONTENTS, own)
            & report(topic + ": source, topic and tag are there", frame == ("kubelet/node", topic, "AB-0"), frame))


def check_ways(server, token=None):
    """Every signature and compression."""
    good = True
    for version in (AUTH_VERSION_1, AUTH_VERSION_4):
        sls = client(server, version, token=token)
        for way in ("none", "lz4", "zstd"):
            topic = "%s-%s%s" % (version, way, "-sts" if token else "")
            put(sls, topic, way)
            good &= read_back(sls, topic)
    put(sls, "by-hash-key", hash_key="0123456789abcdef0123456789abcdef")
    return good & read_back(sls, "by-hash-key")


def check_errors(server):
    """What the SDK makes of refusals."""
    good, now = True, int(time.time())
    for version in (AUTH_VERSION_1, AUTH_VERSION_4):
        wrong = client(server, version, secret="wrong")
        good &= fails_with(version + ": a wrong secret", "SignatureNotMatch", lambda: put(wrong, "t"))
        unknown = client(server, version, key_id="unknown")
        good &= fails_with(version + ": an unknown key id", "Unauthorized", lambda: put(unknown, "t"))
        sls = client(server, version)
        good &= fails_with(version + ": a wrong store", "LogStoreNotExist", lambda: put(sls, "t", store="other"))
        good &= fails_with(version + ": an old log", "PostBodyInvalid", lambda: put(sls, "t", when=now - 8 * 86400))
        good &= fails_with(version + ": a bad key", "InvalidKey", lambda: put(sls, "t", contents=[("a-b", "1")]))
        other = lambda: sls.get_logs(GetLogsRequest("other", STORE, now - 1, now, query="*"))
        good &= fails_with(version + ": a wrong project", "ProjectNotExist", other)
    tokened = client(server, token="token-that-the-key-does-not-have")
    return good & fails_with("an unexpected token", "Unauthorized", lambda: put(tokened, "t"))


def check(arguments):
    with Server(arguments.server) as server:
        good = check_ways(server) & check_errors(server)
    with Server(arguments.server, "--security-token", "sts-token") as server:
        good &= check_ways(server, token="sts-token")
        good &= fails_with("a missing token", "Unauthorized", lambda: put(client(server), "t"))
    print("both sides agree" if good else "the sides do NOT agree")
    return 0 if good else 1


def read(arguments):
    """All pages that a query finds, one JSON object a line: the contents in the order written."""
    sls = LogClient(arguments.endpoint, arguments.key_id, arguments.key_secret,
                    securityToken=arguments.security_token, region=arguments.region or "",
                    auth_version=AUTH_VERSION_4 if arguments.region else AUTH_VERSION_1)
    now = int(time.time())
    start, end = arguments.start or now - 7 * 86400, arguments.end or now + 3600
    offset = 0
    while True:
        request = GetLogsRequest(arguments.project, arguments.store, start, end, query=arguments.query,
                                 line=100, offset=offset)
        logs = sls.get_logs(request).get_logs()
        for log in logs:
            frame = {"__time__": log.get_time(), "__source__": log.get_source()}
            print(json.dumps({**log.get_contents(), **frame}, ensure_ascii=False))
        offset += len(logs)
        if len(logs) < 100:
            return 0


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    checking = commands.add_parser("check", help="check the server and the SDK against each other")
    checking.add_argument("--server", required=True, help="the built sls-server")
    checking.set_defaults(run=check)
    reading = commands.add_parser("read", help="print what a query finds")
    for name in ("endpoint", "project", "store", "key-id", "key-secret"):
        reading.add_argument("--" + name, required=True)
    reading.add_argument("--security-token", help="the token of a temporary key")
    reading.add_argument("--region", help="sign by version 4 for this region")
    reading.add_argument("--query", default="*")
    reading.add_argument("--from", dest="start", type=int, help="unix seconds; a week ago if not given")
    reading.add_argument("--to", dest="end", type=int, help="unix seconds; in an hour if not given")
    reading.set_defaults(run=read)
    return parser.parse_args()


if __name__ == "__main__":
    resolve_localhost_names()
    chosen = parse_arguments()
    sys.exit(chosen.run(chosen))
