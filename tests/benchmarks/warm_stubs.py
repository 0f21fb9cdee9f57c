"""Loopback stand-ins for the warm benchmark: AWS and CTYun over TLS, always successful, each with its own latency.

A process of its own, so that none of its work counts for either side: `python -m tests.benchmarks.warm_stubs PEM`
prints `{"service": port}` as JSON and serves until its standard input ends; for each line there it prints what was
asked since the last one, requests by service and new connections. Pictures are read from the current directory: the
first part of an object's key names the file.
"""

import asyncio
import json
import os
import ssl
import sys
from collections import Counter
from collections.abc import Callable
from hashlib import md5
from pathlib import Path

# milliseconds before each answer
LATENCY = {"provider": 300, "s3": 20, "dynamodb": 5, "events": 10, "secretsmanager": 10}
READING = {
    "note": "back", "idcard_face": "no face", "demo_image": "demo_image", "risk": "normal",
    "detail": {
        "name": "张样例", "sex": "男", "nation": "汉", "birthday": "1990-03-07", "idn": "990105199003070037",
        "addr": "样例省样例市样例路1号", "org": "", "validperiod": "",
    },
}  # fmt: skip
CREDENTIALS = {"service_code": "svc0", "app_key": "key", "app_secret": "hush"}

type Answer = tuple[list[tuple[str, str]], bytes]


def provider(_head: str, _body: bytes) -> Answer:
    answer = {"code": 0, "message": {"success": 1, "fail": 0}, "result": [READING]}
    return [("Content-Type", "application/json")], json.dumps(answer).encode()


def s3(head: str, _body: bytes) -> Answer:
    method, target, _ = head.split(" ", 2)
    if method != "GET":
        return [("ETag", '"stored"')], b""
    picture = PICTURES[target.split("/")[2]]
    return [("ETag", f'"{md5(picture).hexdigest()}"'), ("Content-Type", "image/jpeg")], picture


def dynamodb(head: str, body: bytes) -> Answer:
    """Nothing is there before it is written; but the provider's credentials have been seen to work."""
    item = {}
    if b"GetItem" in head.encode() and b"provider_" in body:
        item = {"Item": {"record_id": {"S": "provider_ctyun"}, "verified": {"S": "v1"}}}
    return [("Content-Type", "application/x-amz-json-1.0")], json.dumps(item).encode()


def events(_head: str, _body: bytes) -> Answer:
    return [("Content-Type", "application/x-amz-json-1.1")], b'{"FailedEntryCount":0,"Entries":[]}'


def secretsmanager(_head: str, _body: bytes) -> Answer:
    secret = {"ctyun": CREDENTIALS | {"base_url": f"https://127.0.0.1:{PORTS['provider']}"}}
    answer = {"Name": "providers", "VersionId": "v1", "SecretString": json.dumps(secret)}
    return [("Content-Type", "application/x-amz-json-1.1")], json.dumps(answer).encode()


SERVICES: dict[str, Callable[[str, bytes], Answer]] = {
    "provider": provider, "s3": s3, "dynamodb": dynamodb, "events": events, "secretsmanager": secretsmanager,
}  # fmt: skip
PORTS: dict[str, int] = {}
ASKED: Counter[str] = Counter()
PICTURES: dict[str, bytes] = {}


async def dechunked(reader: asyncio.StreamReader) -> bytes:
    """A body in chunks, as botocore uploads."""
    body = b""
    while size := int((await reader.readline()).partition(b";")[0], 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readline()
    return body


async def serve(name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection, kept open for as many requests as come."""
    ASKED["connections"] += 1
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            fields = {
                field.lower(): value.strip()
                for field, _, value in (line.partition(":") for line in head.split("\r\n")[1:])
            }
            if fields.get("expect"):
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            if fields.get("transfer-encoding") == "chunked":
                body = await dechunked(reader)
            else:
                body = await reader.readexactly(int(fields.get("content-length", 0)))
            ASKED[name] += 1
            await asyncio.sleep(LATENCY[name] / 1000)
            headers, answer = SERVICES[name](head, body)
            lines = [f"{field}: {value}" for field, value in [*headers, ("Content-Length", str(len(answer)))]]
            writer.write("\r\n".join(["HTTP/1.1 200 OK", *lines, "", ""]).encode() + answer)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main(certificate: Path) -> None:
    if sys.platform == "linux":
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # not where the side that is measured runs
    PICTURES.update({picture.name: picture.read_bytes() for picture in Path.cwd().glob("*.jpg")})
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    for name in SERVICES:
        server = await asyncio.start_server(
            lambda reader, writer, name=name: serve(name, reader, writer),  # type: ignore[misc]
            "127.0.0.1",
            0,
            ssl=tls,
            limit=1 << 24,
        )
        PORTS[name] = server.sockets[0].getsockname()[1]
    print(json.dumps(PORTS), flush=True)
    while await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline):
        print(json.dumps(ASKED), flush=True)
        ASKED.clear()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
