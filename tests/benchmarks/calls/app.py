"""The calls of a clean scan and nothing else: what botocore and httpx themselves take of a warm invocation.

The same libraries, settings and threads as ours, with no more around them than it takes to make the calls: nothing is
decoded, signed for the provider, judged or logged. What is below this in the report is out of reach for us.
"""

import base64
import gc
import json
import os
import ssl
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import certifi
import httpx

from cardintake import limits
from cardintake.aws import Clients

clients = Clients()
dynamodb, s3 = clients.dynamodb, clients.s3
secret = clients.secretsmanager.get_secret_value(SecretId=os.environ["PROVIDERS_SECRET"])["SecretString"]
provider = json.loads(secret)["ctyun"]["base_url"]
client = httpx.Client(
    verify=ssl.create_default_context(cafile=certifi.where()),
    limits=httpx.Limits(max_connections=limits.WORKERS, max_keepalive_connections=limits.WORKERS),
    timeout=20,
)
TABLE, ANSWERS = os.environ["CARDS_TABLE"], os.environ["ANSWERS_BUCKET"]
ITEM: dict[str, Any] = {f"attribute_{number}": {"S": "value"} for number in range(20)}
gc.freeze()


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Every message's calls, ten at a time."""
    objects = [json.loads(record["body"])["Records"][0]["s3"] for record in event["Records"]]
    with ThreadPoolExecutor(limits.WORKERS) as pool:
        list(pool.map(make_calls, objects))
    return {"batchItemFailures": []}


def make_calls(told: dict[str, Any]) -> None:
    """Claim, picture, claim of the content, provider, journal, record."""
    key = {"record_id": {"S": told["object"]["key"]}}
    write(key)
    answer = s3.get_object(Bucket=told["bucket"]["name"], Key=told["object"]["key"], IfMatch='"etag"')
    picture = answer["Body"].read()
    update: Any = {"TableName": TABLE, "Key": key, "UpdateExpression": "ADD calls :one"}
    update["ExpressionAttributeValues"] = {":one": {"N": "1"}}
    dynamodb.transact_write_items(TransactItems=[{"Put": {"TableName": TABLE, "Item": key | ITEM}}, {"Update": update}])
    reading = client.post(provider, content=b'{"image":"' + base64.b64encode(picture) + b'"}').content
    s3.put_object(Bucket=ANSWERS, Key=told["object"]["key"], Body=reading, ContentType="application/json")
    write(key)


def write(key: dict[str, Any]) -> None:
    """One record."""
    dynamodb.update_item(
        TableName=TABLE,
        Key=key,
        UpdateExpression="SET card = :card",
        ConditionExpression="attribute_not_exists(record_id)",
        ExpressionAttributeValues={":card": {"M": ITEM}},
    )
