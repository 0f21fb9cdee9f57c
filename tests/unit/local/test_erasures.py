"""`make erase` and `make held`: a case or a person is found whole, is gone afterwards, and nothing is shown of it."""

import io
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from cardintake.budget import Budget
from cardintake.items import plain
from cardintake.scans import record_id
from local import erase
from local.erasures import Erasure
from local.holdings import Deployment, of_case, of_person
from local.persons import NotANumberError, Person
from tests.unit.conftest import encoded, picture
from tests.unit.world import (
    ANSWERS,
    EMBLEM,
    LOOKUP,
    PORTRAIT,
    SCANS,
    TABLE,
    DiedError,
    World,
    a_world,
    ctyun_answer,
    sqs_event,
)

pytestmark = pytest.mark.thorough

NUMBER, NAME = PORTRAIT["idn"], PORTRAIT["name"]
OTHER = PORTRAIT | {"name": "李样例", "idn": "990105199003070053"}
NOBODY = dict.fromkeys(PORTRAIT, "")
FRONT, BACK, AGAIN, ALONE, ELSE = "up/C-1/张.jpg", "up/C-1/back.jpg", "up/C-2/front.jpg", "up/x.jpg", "up/C-3/front.jpg"

Run = Callable[..., tuple[int, str, str]]


class Operator:
    """A client of the command's own: counts writes and dies before or after one of them, and tells S3's events."""

    def __init__(self, client: Any, laptop: "Laptop") -> None:
        self._client, self._laptop = client, laptop

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def delete_object(self, **request: Any) -> None:
        self._laptop.write(lambda: self._deleted(request))

    def _deleted(self, request: Any) -> None:
        if self._laptop.denied == request["Key"]:
            told = f"no identity-based policy allows s3:DeleteObject on {request['Key']}"
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": told}}, "DeleteObject")
        self._client.delete_object(**request)
        removal = self._laptop.world.notification(request["Key"], None, None, name="ObjectRemoved:Delete")
        if version := request.get("VersionId"):
            removal["Records"][0]["s3"]["object"]["versionId"] = version
        if not self._laptop.loses_events:
            self._laptop.underway.append(sqs_event(removal))


class Laptop:
    """A deployment as the command sees it. While the command sleeps, time passes and events arrive."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.underway: list[Any] = []
        self.loses_events = False
        self.denied = ""
        self.die: tuple[int, str] | None = None
        self.writes = 0
        self.slept = 0.0
        s3: Any = Operator(world.s3, self)
        self.deployment = Deployment(
            s3, world.dynamodb, world.secrets, self, SCANS, ANSWERS, TABLE, LOOKUP, "recognize", 30
        )  # fmt: skip

    def write(self, call: Callable[[], Any]) -> None:
        self.writes += 1
        at, when = self.die or (0, "")
        if at == self.writes and when == "before":
            raise DiedError
        call()
        if at == self.writes:
            raise DiedError

    def invoke(self, *, FunctionName: str, Payload: bytes) -> None:  # noqa: N803 - AWS's own words
        assert FunctionName == "recognize"
        self.write(lambda: self.world.deliver(json.loads(Payload)))

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        while self.underway:
            self.world.deliver(self.underway.pop(0))

    def clock(self) -> float:
        return time.time() + self.slept

    def erasure(self, patience: float = 600) -> Erasure:
        return Erasure(self.deployment, patience=patience, sleep=self.sleep, clock=self.clock)


@pytest.fixture
def world() -> Iterator[World]:
    with a_world(LOOKUP_SECRET=LOOKUP) as one:
        yield one


@pytest.fixture
def laptop(world: World) -> Laptop:
    return Laptop(world)


@pytest.fixture
def run(laptop: Laptop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command: its exit code and what it printed on both streams, in which nothing of the cards and keys is."""
    monkeypatch.setattr(erase, "_deployment", lambda _stack: laptop.deployment)
    monkeypatch.setattr(erase, "Erasure", lambda _deployment, patience: laptop.erasure(patience))

    def command(*arguments: str, typed: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{typed}\n"))
        capsys.readouterr()  # what the functions have logged
        code = erase.main(arguments)
        said = capsys.readouterr()
        ours = "\n".join(
            line for line in said.out.splitlines() if not line.startswith('{"level"') and '"_aws"' not in line
        )
        for private in (
            NUMBER,
            NAME,
            OTHER["idn"],
            OTHER["name"],
            "张",
            "front.jpg",
            "back.jpg",
            PORTRAIT["addr"],
            "up/",
        ):
            assert private not in ours + said.err
        return code, ours, said.err

    return command


def read(world: World, key: str, detail: dict[str, str], body: bytes | None = None) -> str:
    """Uploads a picture, has it read as `detail`; the record's id."""
    world.provider.script = [ctyun_answer(detail)]
    seed = sum(key.encode())
    world.deliver(world.upload(key, body or encoded(picture(seed), comment=key.encode())))
    world.provider.script = []
    return record_id(SCANS, key)


def upload_version(world: World, key: str, seed: int) -> None:
    """As `upload`, into a bucket that has versions."""
    body = encoded(picture(seed))
    put = world.s3.put_object(Bucket=SCANS, Key=key, Body=body)
    told = world.notification(key, put["ETag"].strip('"'), len(body))
    told["Records"][0]["s3"]["object"]["versionId"] = put["VersionId"]
    world.deliver(sqs_event(told))


def a_person(world: World) -> dict[str, str]:
    """Two sides in a case, a side in another case, one outside of cases; and somebody else."""
    return {
        key: read(world, key, detail)
        for key, detail in (
            (BACK, EMBLEM), (FRONT, PORTRAIT), (AGAIN, PORTRAIT), (ALONE, PORTRAIT), (ELSE, OTHER),
        )
    }  # fmt: skip


def everything(world: World) -> str:
    """The whole table and both buckets, as text."""
    items = [plain(item) for item in world.dynamodb.scan(TableName=TABLE)["Items"]]
    objects = [
        world.s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read().decode(errors="replace") + entry["Key"]
        for bucket in (SCANS, ANSWERS)
        for entry in world.s3.list_objects_v2(Bucket=bucket).get("Contents", ())
    ]
    return "\n".join([repr(items), *objects]).replace("\\u", "\\\\u")


def is_erased(world: World, key: str) -> bool:
    kept = {"record_id", "status", "sequencer", "updated_at", "expires_at"}
    return world.record(key).keys() == kept and world.record(key)["status"] == "ERASED"


# a person -------------------------------------------------------------------------------------------------------------


def test_a_person_is_erased_by_number_with_the_other_sides_and_nobody_else(world: World, run: Run) -> None:
    ids = a_person(world)
    escaped = json.dumps(NAME).strip('"')
    assert all(word in everything(world) for word in (NUMBER, NAME))
    mine = sorted(record_id for key, record_id in ids.items() if key != ELSE)
    code, out, _ = run("--person", "--json", "--dry-run", typed=NUMBER)
    assert (code, json.loads(out)) == (0, {"would_erase": mine, "left": {}, "unread": {}})
    assert not any(is_erased(world, key) for key in ids)
    code, out, _ = run("--person", typed=f" {NUMBER[:6]} {NUMBER[6:14]} {NUMBER[14:]} ")
    assert (code, out) == (0, "\n".join(["Erased: 4", *(f"  {record_id}" for record_id in mine)]))
    assert [is_erased(world, key) for key in ids] == [True, True, True, True, False]
    assert not any(word in everything(world) for word in (NUMBER, NAME, escaped, "张", "C-1", "C-2"))
    assert world.record(ELSE)["card"]["name"] == OTHER["name"]
    assert {event["detail-type"] for event in world.heard_events()} >= {"Card Erased"}
    assert run("--person", typed=NUMBER)[:2] == (0, "Erased: 0")


@pytest.mark.parametrize("when", [pytest.param("before", marks=pytest.mark.thorough), "after"])
@pytest.mark.parametrize(("arrives", "writes"), [(True, 2), pytest.param(False, 4, marks=pytest.mark.thorough)])
def test_wherever_it_dies_the_next_run_finds_the_rest(when: str, writes: int, *, arrives: bool) -> None:
    for at in range(1, writes + 1):
        with a_world(LOOKUP_SECRET=LOOKUP) as world:
            read(world, BACK, EMBLEM)
            read(world, FRONT, PORTRAIT)
            dying, person = Laptop(world), Person.of(NUMBER)
            dying.die, dying.loses_events = (at, when), not arrives
            with pytest.raises(DiedError):
                dying.erasure().run(of_person(dying.deployment, person))
            dying.sleep(0)
            assert is_erased(world, BACK) or not is_erased(world, FRONT), "the other side is found by it"
            laptop = Laptop(world)
            assert laptop.erasure().run(of_person(laptop.deployment, person)).left == {}
            assert is_erased(world, FRONT)
            assert is_erased(world, BACK)
            assert NUMBER not in everything(world)


def test_a_case_of_two_people_is_not_guessed_at(world: World, run: Run) -> None:
    mine, stranger, side = read(world, FRONT, PORTRAIT), read(world, "up/C-1/b.jpg", OTHER), read(world, BACK, EMBLEM)
    code, out, err = run("--person", "--json", typed=NUMBER)
    assert code == 1
    told = json.loads(out)
    assert told["erased"] == [mine]
    assert set(told["left"]) == {stranger, side}
    assert stranger in err
    assert side in err
    assert world.record(BACK)["status"] == "RECOGNIZED"
    assert run("--record", side)[:2] == (0, f"Erased: 1\n  {side}")


def test_a_number_that_was_misread_is_no_other_person(world: World, run: Run) -> None:
    wrong = PORTRAIT | {"idn": NUMBER[:-1] + str((int(NUMBER[-1]) + 1) % 10)}
    ids = sorted([read(world, FRONT, PORTRAIT), read(world, "up/C-1/b.jpg", wrong), read(world, BACK, EMBLEM)])
    assert json.loads(run("--person", "--json", typed=NUMBER)[1])["erased"] == ids


def test_a_masked_number_that_fits_is_told_and_left(world: World, run: Run) -> None:
    masked = read(world, ALONE, PORTRAIT | {"idn": f"{NUMBER[:6]}********{NUMBER[-4:]}"})
    code, out, _ = run("--person", typed=NUMBER)
    assert (code, out) == (1, f"Erased: 0\nLeft: 1\n  {masked}  its number is masked, and fits")
    assert json.loads(run("--person", "--json", typed=OTHER["idn"])[1])["left"] == {}


def test_a_front_that_is_uploaded_anew_and_not_read_yet_is_found_by_its_list(world: World, laptop: Laptop) -> None:
    read(world, BACK, EMBLEM)
    read(world, FRONT, PORTRAIT)
    world.provider.script = [DiedError()]
    with pytest.raises(DiedError):
        world.deliver(world.upload(FRONT, encoded(picture(77))))
    world.new_process()
    found = of_person(laptop.deployment, Person.of(NUMBER))
    assert {upload.record_id for upload in found.uploads} == {record_id(SCANS, FRONT), record_id(SCANS, BACK)}
    assert laptop.erasure().run(found).left == {}
    assert laptop.slept > 30, "the worker's lease had to end first"


def test_what_was_not_read_is_counted_since_nobody_knows_whose_it_is(world: World, run: Run) -> None:
    read(world, ALONE, NOBODY)
    code, out, _ = run("--person", typed=NUMBER)
    assert (code, out) == (0, "Erased: 0\nNot looked into, since no card was read: 1 REJECTED")


def test_a_number_with_a_slip_of_the_pen_does_not_pass_for_done(run: Run) -> None:
    code, _, err = run("--person", typed=NUMBER[:-1] + "5")
    assert code == 1
    assert "look at it again" in err


# a case ---------------------------------------------------------------------------------------------------------------


def test_a_case_is_erased_with_what_was_never_begun_in_its_folder(world: World, run: Run) -> None:
    front, back = read(world, FRONT, PORTRAIT), read(world, BACK, EMBLEM)
    unheard, late = world.upload("up/C-1/late.jpg", encoded(picture(9))), record_id(SCANS, "up/C-1/late.jpg")
    read(world, AGAIN, PORTRAIT)
    assert json.loads(run("--case", "C-1", "--json")[1])["erased"] == sorted([front, back, late])
    world.deliver(unheard)
    assert world.record("up/C-1/late.jpg")["status"] == "ERASED"
    assert world.record(AGAIN)["status"] == "RECOGNIZED"
    assert world.s3.list_objects_v2(Bucket=SCANS)["KeyCount"] == 1


def test_a_case_without_a_record_is_found_when_the_bucket_is_searched(world: World, run: Run) -> None:
    world.s3_put("somewhere/C-9/x.jpg", encoded(picture()))
    world.s3_put("somewhere/C-9/C-10/x.jpg", encoded(picture()))
    assert run("--case", "C-9")[1] == "Erased: 0"
    assert run("--case", "C-9", "--search-bucket")[1] == f"Erased: 1\n  {record_id(SCANS, 'somewhere/C-9/x.jpg')}"
    assert world.s3.list_objects_v2(Bucket=SCANS)["KeyCount"] == 1


def test_every_version_goes_and_the_erasure_is_announced_once(world: World, run: Run) -> None:
    world.s3.put_bucket_versioning(Bucket=SCANS, VersioningConfiguration={"Status": "Enabled"})
    upload_version(world, FRONT, 1)
    upload_version(world, FRONT, 2)
    world.s3.delete_object(Bucket=SCANS, Key="up/C-1/hidden.jpg")  # leaves a marker
    assert run("--case", "C-1")[0] == 0
    left = world.s3.list_object_versions(Bucket=SCANS)
    assert not left.get("Versions")
    assert not left.get("DeleteMarkers")
    assert is_erased(world, FRONT)
    assert [event["detail-type"] for event in world.heard_events()].count("Card Erased") == 1


def test_an_older_version_is_found_again_after_an_interruption(world: World, laptop: Laptop, run: Run) -> None:
    world.s3.put_bucket_versioning(Bucket=SCANS, VersioningConfiguration={"Status": "Enabled"})
    upload_version(world, ALONE, 1)
    upload_version(world, ALONE, 2)
    laptop.die = (1, "after")
    with pytest.raises(DiedError):
        run("--person", typed=NUMBER)
    laptop.sleep(0)
    laptop.die = None
    assert run("--person", typed=NUMBER)[0] == 0
    assert not world.s3.list_object_versions(Bucket=SCANS).get("Versions")
    assert is_erased(world, ALONE)


def test_a_scan_whose_event_is_lost_is_erased_all_the_same(world: World, laptop: Laptop, run: Run) -> None:
    ids = sorted([read(world, FRONT, PORTRAIT), read(world, BACK, EMBLEM)])
    world.s3.delete_object(Bucket=SCANS, Key=BACK)
    laptop.loses_events = True
    assert json.loads(run("--case", "C-1", "--json")[1])["erased"] == ids
    assert is_erased(world, FRONT)
    assert is_erased(world, BACK)


def test_what_may_not_be_deleted_is_named_and_what_leads_to_it_is_kept(world: World, laptop: Laptop, run: Run) -> None:
    front, back = read(world, FRONT, PORTRAIT), read(world, BACK, EMBLEM)
    laptop.denied = BACK
    code, out, _ = run("--person", "--json", typed=NUMBER)
    assert code == 1
    assert json.loads(out)["left"] == {
        back: "its scan could not be deleted: AccessDenied",
        front: "waits for the others of its case, which are found by it",
    }
    laptop.denied = ""
    assert json.loads(run("--person", "--json", typed=NUMBER)[1])["erased"] == sorted([front, back])


def test_an_answer_that_a_dying_worker_stored_is_waited_for(world: World, laptop: Laptop) -> None:
    event = world.upload(FRONT, encoded(picture()))
    read(world, BACK, EMBLEM)
    world.provider.script = [DiedError()]
    with pytest.raises(DiedError):
        world.deliver(event)
    (answer_key,) = world.record(FRONT)["answer_keys"]
    world.new_process()
    found = of_case(laptop.deployment, "C-1")
    world.s3.put_object(Bucket=ANSWERS, Key=answer_key, Body=NAME.encode())
    laptop.sleep = lambda seconds: stored_late(laptop, answer_key, seconds)  # type: ignore[method-assign]
    done = laptop.erasure(patience=100).run(found)
    assert done.left == {record_id(SCANS, FRONT): "erased, but not to the end: sweep goes on with it"}
    world.let_leases_run_out()
    world.process.sweep.run(Budget(time.monotonic() + 50))
    assert is_erased(world, FRONT)
    assert NAME not in everything(world)


def stored_late(laptop: Laptop, answer_key: str, seconds: float) -> None:
    Laptop.sleep(laptop, seconds)
    laptop.world.s3.put_object(Bucket=ANSWERS, Key=answer_key, Body=NAME.encode())


# what is held ---------------------------------------------------------------------------------------------------------


def test_what_is_held_is_told_by_kind_and_date_and_never_by_value(world: World, run: Run) -> None:
    ids = a_person(world)
    code, out, _ = run("--case", "C-1", "--held", "--json")
    assert code == 0
    records = {record["record_id"]: record for record in json.loads(out)["records"]}
    assert records.keys() == {ids[FRONT], ids[BACK]}
    front = records[ids[FRONT]]
    assert (front["status"], front["case_id"], front["provider"]) == ("RECOGNIZED", "C-1", "ctyun")
    assert front["card"] == sorted(world.record(FRONT)["card"])
    assert (front["scans"]["count"], front["answers"]["count"], front["crops"]["count"]) == (1, 1, 0)
    assert front["links"] == {"case": 1, "image": 1, "number": 1}
    assert front["record_expires_at"] < front["scans"]["expires_at"], "lifecycle expires at the next midnight"
    code, out, _ = run("--person", "--held", typed=NUMBER)
    assert out.startswith("Held: 4\n")
    assert "  card         address birth_date country document_type ethnicity id_number name sex side\n" in out
    assert "  listed in    1 case, 1 image, 1 number" in out
    assert not any(is_erased(world, key) for key in ids)


# the command line -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments", [(), ("--person", NUMBER), ("--case", NUMBER), ("--record", NUMBER), ("--person", "--search-bucket")]
)
def test_a_wrong_command_line_is_refused_without_repeating_it(run: Run, arguments: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(*arguments)
    assert ended.value.code == 2


def test_a_number_on_the_command_line_is_not_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (("--person", NUMBER), ("--case", NUMBER), ("--record", NUMBER)):
        with pytest.raises(SystemExit):
            erase.main(arguments)
    assert NUMBER not in "".join(capsys.readouterr())


@pytest.mark.parametrize("typed", ["", "  ", "nobody", f"{NUMBER[:6]}********{NUMBER[14:]}", "12"])
def test_what_is_no_number_is_refused(run: Run, typed: str) -> None:
    assert run("--person", typed=typed)[0] == 2


def test_a_denial_that_names_a_key_is_not_repeated(run: Run, laptop: Laptop, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object, **__: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": f"not on {FRONT}"}}, "ListObjectVersions")

    monkeypatch.setattr(laptop.deployment.s3, "get_bucket_versioning", denied, raising=False)
    monkeypatch.setattr("local.holdings.Deployment.item", denied)
    code, _, err = run("--record", "scan_" + "0" * 32)
    assert (code, err) == (1, "ListObjectVersions: AccessDenied\n")


def test_an_interruption_says_how_to_go_on(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("local.holdings.Deployment.item", interrupted)
    code, _, err = run("--record", "scan_" + "0" * 32)
    assert code == 130
    assert "Run it again" in err


# numbers --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "forms"),
    [
        ("99010519900307003 x", {("cn_resident_id", "99010519900307003X"), ("cn_resident_id", "990105900307003")}),
        ("９９０１０５-19900307-0037", {("cn_resident_id", NUMBER), ("cn_resident_id", "990105900307003")}),
        ("990105 900307 003", {("cn_resident_id", "990105900307003"), ("cn_resident_id", NUMBER)}),
        ("990105200003070034", {("cn_resident_id", "990105200003070034")}),
        ("990105 901307 003", {("cn_resident_id", "990105901307003")}),
        ("10117410", {("pe_dni", "10117410"), ("pe_foreigner_card", "10117410")}),
        (
            "10117410-2",
            {("pe_dni", "10117410"), ("pe_foreigner_card", "101174102"), ("pe_foreigner_card", "10117410-2")},
        ),
        ("101174102", {("pe_dni", "10117410"), ("pe_foreigner_card", "101174102")}),
        ("10117410f", {("pe_dni", "10117410"), ("pe_foreigner_card", "10117410F")}),
        ("001234567", {("pe_foreigner_card", "001234567")}),
    ],
)
def test_a_number_is_sought_in_every_form_that_a_record_may_have(written: str, forms: set[tuple[str, str]]) -> None:
    assert Person.of(written).forms == forms


@given(
    number=st.from_regex(r"99[0-9]{4}19[0-9]{2}(0[1-9]|1[0-2])[0-2][1-8][0-9]{3}[0-9X]", fullmatch=True),
    gaps=st.lists(st.tuples(st.integers(0, 17), st.sampled_from([" ", "-", "\t", "\u3000", "–"])), max_size=6),
    wide=st.booleans(),
)
def test_however_it_is_written_it_is_the_same_person(number: str, gaps: list[tuple[int, str]], *, wide: bool) -> None:
    written = list(number.lower())
    for position, gap in sorted(gaps, reverse=True):
        written.insert(position, gap)
    text = "".join(chr(ord(sign) + 0xFEE0) if wide and sign.isdecimal() else sign for sign in written)
    person = Person.of(text)
    assert person == Person.of(number)
    assert person.bears({"card": {"document_type": "cn_resident_id", "id_number": number}})
    assert not person.bears({"card": {"document_type": "pe_dni", "id_number": number}})
    assert number not in repr(person)


@given(st.text(max_size=30))
def test_whatever_is_typed_names_somebody_or_is_refused_without_being_quoted(written: str) -> None:
    refusals = {
        "There is no number in it.",
        "A masked number names nobody.",
        "It is no number of a card that is read here.",
    }
    try:
        named = bool(Person.of(written).forms)
    except NotANumberError as refusal:
        named = str(refusal) in refusals
    assert named


def test_the_lists_of_a_number_are_found_by_the_hashes_that_cases_write(world: World) -> None:
    read(world, FRONT, PORTRAIT)
    (link,) = {link for link in world.record(FRONT)["link_keys"] if link.startswith("number_")}
    assert link in Person.of(NUMBER).links(b"the key of the hashes")
