"""Prints what better-photo asks for: subscribes a queue of its own to the topic, until Ctrl-C, and removes it again.

    python examples/better-photo/listen.py [--stack better-photo] [--messages N]

For trying it on the emulator. On AWS, subscribe an address or an application instead (README.md); the queue here would
need a key that SNS may use.
"""

import argparse
import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import boto3


@contextmanager
def messages(session: boto3.Session, stack_name: str) -> Iterator[Iterator[dict[str, Any]]]:
    """The messages published from now on, as application subscribers get them."""
    cloudformation, sns, sqs = session.client("cloudformation"), session.client("sns"), session.client("sqs")
    described = cloudformation.describe_stacks(StackName=stack_name)["Stacks"][0]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}
    url = sqs.create_queue(QueueName=f"{stack_name}-listener-{uuid.uuid4().hex[:8]}")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allowed = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": outputs["TopicArn"]}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    subscription = sns.subscribe(
        TopicArn=outputs["TopicArn"],
        Protocol="sqs",
        Endpoint=arn,
        Attributes={"RawMessageDelivery": "true"},
        ReturnSubscriptionArn=True,
    )["SubscriptionArn"]

    def received() -> Iterator[dict[str, Any]]:
        while True:
            for message in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5).get("Messages", ()):
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                yield json.loads(message["Body"])

    try:
        yield received()
    finally:
        sns.unsubscribe(SubscriptionArn=subscription)
        sqs.delete_queue(QueueUrl=url)


def main() -> None:
    parser = argparse.ArgumentParser(prog="listen.py", description="Prints what better-photo asks for.")
    parser.add_argument("--stack", default="better-photo", help="name of the deployed example (better-photo)")
    parser.add_argument("--messages", type=int, help="end after so many")
    asked = parser.parse_args()
    with messages(boto3.Session(), asked.stack) as heard:
        print("Listening. Upload a bad picture.", flush=True)
        for message in islice(heard, asked.messages):
            print(json.dumps(message, ensure_ascii=False, indent=2), flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print()
