"""One side of the warm benchmark, in a process of its own: whichever handler the search path has as `app`.

For each line `[scans, picture]` on its standard input it makes one invocation with that many messages of the queue, and
prints as JSON: wall and CPU seconds, and the highest and the idle resident memory in bytes.
"""

import importlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import certifi

# new with each invocation; not sampled, which is what costs the reference least
_TRACE = "Root=1-65a4f000-{:024x};Parent=0123456789abcdef;Sampled=0"


class Context:
    """What Lambda hands to a handler."""

    function_name = "recognize"
    memory_limit_in_mb = 2048
    invoked_function_arn = "arn:aws:lambda:eu-west-1:000000000000:function:recognize"
    aws_request_id = "00000000-0000-0000-0000-000000000000"

    def get_remaining_time_in_millis(self) -> int:
        return 50_000


def event(numbers: range, picture: str) -> dict[str, Any]:
    """As the queue delivers them; every scan has a key of its own."""
    records = []
    for number in numbers:
        described = {
            "key": f"{picture}/{number}.jpg", "sequencer": f"{number:016X}", "eTag": "etag", "size": 1,
        }  # fmt: skip
        told = {
            "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "eu-west-1", "eventName": "ObjectCreated:Put",
            "eventTime": "2026-01-15T08:30:00.000Z", "userIdentity": {"principalId": "x"},
            "requestParameters": {"sourceIPAddress": "127.0.0.1"},
            "responseElements": {"x-amz-request-id": "x", "x-amz-id-2": "x"},
            "s3": {
                "s3SchemaVersion": "1.0", "configurationId": "x", "object": described,
                "bucket": {"name": "scans", "ownerIdentity": {"principalId": "x"}, "arn": "arn:aws:s3:::scans"},
            },
        }  # fmt: skip
        records.append(
            {
                "messageId": f"m-{number}", "receiptHandle": "x", "body": json.dumps({"Records": [told]}),
                "attributes": {
                    "ApproximateReceiveCount": "1", "SentTimestamp": "1768465800000", "SenderId": "x",
                    "ApproximateFirstReceiveTimestamp": "1768465800000",
                },
                "messageAttributes": {}, "md5OfBody": "0" * 32, "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:eu-west-1:000000000000:scans", "awsRegion": "eu-west-1",
            }
        )  # fmt: skip
    return {"Records": records}


def memory(name: str) -> int:
    """A figure of /proc/self/status in bytes."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


def main() -> None:
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # a function of 2048 MB has little more than one processor
    certifi.where = lambda: os.environ["AWS_CA_BUNDLE"]  # httpx trusts what certifi names
    handler = importlib.import_module("app").handler
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # logs and metrics are written, and not read
    done = 0
    for line in sys.stdin:
        scans, picture = json.loads(line)
        Path("/proc/self/clear_refs").write_text("5")  # the high-water mark begins here
        idle = memory("VmRSS")
        os.environ["_X_AMZN_TRACE_ID"] = _TRACE.format(done)
        message = event(range(done, done + scans), picture)
        wall, cpu = time.monotonic(), time.process_time()
        failures = handler(message, Context())
        wall, cpu = time.monotonic() - wall, time.process_time() - cpu
        if failures["batchItemFailures"]:
            raise SystemExit("scans failed")
        done += scans
        print(json.dumps({"wall": wall, "cpu": cpu, "idle": idle, "peak": memory("VmHWM")}), file=answers, flush=True)


if __name__ == "__main__":
    main()
