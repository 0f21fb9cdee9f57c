"""The vendors' own sample code, run as it stands in their documents, gets right answers from the served sandbox.

Changed are the host, the service code, the keys and the file names, each marked `<<…>>` below; and what the documents'
web pages broke: a lost `#` before a comment, empty lines between all lines, a blank at the end of a URL.

* CTYun: the Python sample as a script, and the curl sample as a command line.
* AccuAuth: the document's section "Sample" is empty; the request is put together from what the document says of it.
* waiqin365: no sample code; the published request example, with the published rule of the digest.
* Huawei Cloud and ihuyi: where their twins are tested.
"""

import ast
import base64
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests

from local.cardprinter import PrintedCard, encode, print_card
from local.sandbox.app import Sandbox
from local.sandbox.reader import Reader
from local.sandbox.readings import ReadingDesk
from local.sandbox.server import serving
from local.sandbox.twins.accuauth import AccuAuthTwin
from local.sandbox.twins.ctyun import CtyunTwin
from local.sandbox.twins.waiqin365 import Waiqin365Twin

pytestmark = pytest.mark.ocr

SERVICE, APP_KEY, APP_SECRET = "2f3os7qq79xc", "0f1e2d3c4b5a69788796a5b4c3d2e1f0", "testsecret-ctyun-0001"
OPENID, QINCE_KEY = "1234567890123456789", "TESTappkey00000018"
API_ID, API_SECRET = "df-id-example", "df-secret-example"
PATIENCE_SECONDS = 120

CTYUN_PYTHON = """\
# -*- coding: utf-8 -*-
import requests
import base64
import hashlib
import time
import json

'''
身份证识别
'''
def md5(key):
    input_name = hashlib.md5()
    input_name.update(key.encode("utf-8"))
    return input_name.hexdigest()

request_url = "<<request_url>>"

# 二进制方式打开图片文件
f = open('<<file>>', 'rb')
img = "{}".format(base64.b64encode(f.read()).decode())

params = {"data": [img]}
app_key = '<<app_key>>'
app_secret = '<<app_secret>>'
time_stamp = str(int(round(time.time() * 1000)))

headers = {
    'content-type': 'application/json',
    'Sign': md5(app_key + app_secret + time_stamp + '/v1/aiop/api/<<service>>/IdentityCard/ocr/v1/idcard.json' + json.dumps(params)),
    'Timestamp': time_stamp,
    'AppKey': app_key
}
response = requests.post(request_url, data=json.dumps(params), headers=headers)
if response:
    print(response.json())
"""  # noqa: E501  as it stands in the document

CTYUN_CURL = (
    'curl -X POST "<<request_url>>" -H "Content-Type: application/json" '
    "-H 'Sign: <<sign>>' -H 'Timestamp: <<timestamp>>' -H 'AppKey: <<app_key>>' --data '{\"data\": [\"<<image>>\"]}'"
)

WAIQIN365_REQUEST = """\
{
    "transfer_id": 3453434212,
    "image": "<<image>>",
    "url": "https://image.com/example1.jpg",
    "ID_card_side": "front",
    "quality_detection": "false",
    "risk_detection": "false",
    "card_cropping": "false",
    "photo_detection": "false"
}"""


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    desk = ReadingDesk(Reader())
    ctyun = CtyunTwin.open({"service_code": SERVICE, "app_key": APP_KEY, "app_secret": APP_SECRET}, desk)
    waiqin365 = Waiqin365Twin.open({"openid": OPENID, "app_key": QINCE_KEY}, desk)
    accuauth = AccuAuthTwin.open({"api_id": API_ID, "api_secret": API_SECRET}, desk)
    with serving(Sandbox([ctyun, waiqin365, accuauth], desk).app) as url:
        yield url


@pytest.fixture(scope="module")
def portrait() -> PrintedCard:
    return print_card("cn_portrait", 51, birth_date="1990-03-07", sex="M")


def filled_in(sample: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        assert f"<<{name}>>" in sample
        sample = sample.replace(f"<<{name}>>", value)
    assert "<<" not in sample
    return sample


def run(*command: str) -> str:
    without_proxy = os.environ | {"NO_PROXY": "127.0.0.1", "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        command, capture_output=True, check=True, encoding="utf-8", env=without_proxy, timeout=PATIENCE_SECONDS
    )
    return done.stdout


def ctyun_path() -> str:
    return f"/v1/aiop/api/{SERVICE}/IdentityCard/ocr/v1/idcard.json"


def assert_ctyun_read(answer: Mapping[str, Any], printed: Mapping[str, Any]) -> None:
    assert (answer["code"], answer["message"]) == (0, {"success": 1, "fail": 0})
    (result,) = answer["result"]
    assert (result["note"], result["risk"]) == ("back", "normal")
    assert result["detail"] == {
        "name": printed["name"],
        "sex": "男",
        "nation": printed["ethnicity"],
        "birthday": "1990-03-07",
        "idn": printed["id_number"],
        "addr": printed["address"],
        "org": "",
        "validperiod": "",
    }


def test_ctyun_python(base_url: str, portrait: PrintedCard, tmp_path: Path) -> None:
    file, script = tmp_path / "scan.jpg", tmp_path / "idcard.py"
    file.write_bytes(encode(portrait.picture))
    values = {
        "request_url": base_url + ctyun_path(),
        "file": str(file),
        "app_key": APP_KEY,
        "app_secret": APP_SECRET,
        "service": SERVICE,
    }
    script.write_text(filled_in(CTYUN_PYTHON, values), "utf-8")
    assert_ctyun_read(ast.literal_eval(run(sys.executable, str(script))), portrait.card)


@pytest.mark.skipif(
    shutil.which("curl") is None, reason="the document's sample is a curl command, and there is no curl"
)
def test_ctyun_curl(base_url: str, portrait: PrintedCard) -> None:
    # one argument of a command holds 128 KiB at most, the picture's base64 with it
    file = io.BytesIO()
    portrait.picture.resize((portrait.picture.width * 3 // 4, portrait.picture.height * 3 // 4)).save(file, "JPEG")
    image = base64.b64encode(file.getvalue()).decode()
    timestamp = str(int(time.time() * 1000))
    signed = APP_KEY + APP_SECRET + timestamp + ctyun_path() + f'{{"data": ["{image}"]}}'
    values = {
        "request_url": base_url + ctyun_path(),
        "sign": hashlib.md5(signed.encode()).hexdigest(),
        "timestamp": timestamp,
        "app_key": APP_KEY,
        "image": image,
    }
    assert_ctyun_read(json.loads(run("sh", "-c", filled_in(CTYUN_CURL, values))), portrait.card)


def test_waiqin365_request_example(base_url: str, portrait: PrintedCard) -> None:
    image = base64.b64encode(encode(portrait.picture)).decode()
    body = filled_in(WAIQIN365_REQUEST, {"image": image})
    timestamp = time.strftime("%Y%m%d%H%M%S", time.gmtime(time.time() + 8 * 3600))
    digest = hashlib.md5(f"{body}|{QINCE_KEY}|{timestamp}".encode()).hexdigest()
    msg_id = "3c6b9b2e-0000-4000-8000-000000000001"
    answer = requests.post(
        f"{base_url}/api/ocr/v1/idcard/{OPENID}/{timestamp}/{digest}/{msg_id}",
        data=body.encode(),
        headers={"Content-Type": "application/json"},
        timeout=PATIENCE_SECONDS,
    ).json()
    assert (answer["return_code"], answer["msg_id"]) == ("0", msg_id)
    data = json.loads(answer["response_data"])
    assert (data["transfer_id"], data["photo_status"], data["result_num"]) == ("3453434212", "normal", 6)
    assert {label: result["words"] for label, result in data["recognition_results"].items()} == {
        "住址": portrait.card["address"],
        "公民身份号码": portrait.card["id_number"],
        "出生": "19900307",
        "姓名": portrait.card["name"],
        "性别": "男",
        "民族": portrait.card["ethnicity"],
    }


def test_accuauth_both_ways_to_send(base_url: str, tmp_path: Path) -> None:
    card = print_card("pe_dni_new_front", 52, birth_date="1994-05-16", sex="F")
    scan = tmp_path / "scan.jpg"
    scan.write_bytes(encode(card.picture))
    headers = {"X-DF-API-ID": API_ID, "X-DF-API-SECRET": API_SECRET}
    url = base_url + "/ocr/idcard"
    with scan.open("rb") as image:
        answer = requests.post(url, headers=headers, files={"file": image}, timeout=PATIENCE_SECONDS)
    by_file = answer.json()
    fields = {"image_base64": base64.b64encode(scan.read_bytes()).decode(), "detect_face": 1}
    by_text = requests.post(url, headers=headers, data=fields, timeout=PATIENCE_SECONDS).json()
    assert (answer.status_code, by_file["status"], by_text["status"]) == (200, "OK", "OK")
    (result,) = by_file["results"]
    assert (result["card_type"], result["card_side"]) == ("new", "front")
    printed = card.card
    assert {name: result["card_info"][name] for name in ("father_name", "mother_name", "name", "birthday")} == {
        "father_name": printed["paternal_surname"],
        "mother_name": printed["maternal_surname"],
        "name": printed["given_names"],
        "birthday": "16/05/1994",
    }
    assert result["card_info"]["id_number"] == f"{printed['id_number']}-{printed['check_character']}"
    assert "face_region" not in result
    assert by_text["results"][0]["card_info"] == result["card_info"]
    assert len(by_text["results"][0]["face_region"]) == 4
