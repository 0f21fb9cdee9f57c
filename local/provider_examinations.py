"""What `make doctor` looks at of the providers: secret, reachability, clock, acceptance, pauses. No call is paid for.

Of the providers' secret only the names of its members and fields leave this module.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from cardintake.items import iso, marshalled, plain
from cardintake.providers import REGISTRY
from cardintake.providers.errors import ConfigurationError, ProviderError
from cardintake.providers.protocol import Answer, Attempt, Call, Prepaid
from cardintake.secret_store import SecretStore
from local.patient import Finding, Patient, Verdict, judged_skew

_TROUBLES: dict[str, tuple[Verdict, str, str]] = {
    "configuration": ("wrong", "it refuses our credentials or permissions", "docs/runbook.md#provider-misconfigured"),
    "quota": ("wrong", "nothing is left, or the account is frozen", "docs/runbook.md#provider-quota"),
    "unavailable": ("warning", "too many calls failed in a row", "docs/runbook.md#provider-unavailable"),
}


def secret(patient: Patient) -> Iterator[Finding]:
    settings = patient.settings()
    put = f"put it with: aws secretsmanager put-secret-value --secret-id {settings.providers_secret} --secret-string file://…"
    content = SecretStore(patient.client("secretsmanager"), settings.providers_secret).content()
    if content.fault is not None:
        refused = "cannot be read" in content.fault
        yield Finding("secret", "unknown" if refused else "wrong", content.fault, None if refused else put)
        return
    # other names may be anything that was pasted there
    known = [name for name in REGISTRY if name in content.members]
    yield Finding("secret", "ok", f"a JSON object with {', '.join(known) or 'no provider'} in it")
    for name in settings.providers_in_use:
        try:
            member = content.member(name)
            patient.configured[name] = REGISTRY[name].configured(
                member, allow_http=settings.aws_endpoint_url is not None
            )
        except ConfigurationError as error:
            yield Finding(f"secret of {name}", "wrong", error.code, put)
        else:
            yield Finding(f"secret of {name}", "ok", "has what its provider needs")


def reachability(patient: Patient) -> Iterator[Finding]:
    content = SecretStore(patient.client("secretsmanager"), patient.settings().providers_secret).content()
    for name in patient.configured:
        member = content.members[name]
        for what in ("base_url", "iam_url"):
            if what in member:
                yield from _reached(patient, f"{what} of {name}", member[what])
    if patient.configured and patient.configuration("recognize").get("VpcConfig", {}).get("SubnetIds"):
        said = "tried from here, and not from the functions' subnets, whose way out only they can try"
        yield Finding("reachability", "unknown", said, "look at the route and the address that the provider admits")


def _reached(patient: Patient, area: str, url: str) -> Iterator[Finding]:
    """A HEAD without credentials: name, connection, certificate, and the server's clock."""
    try:
        answer = patient.http.head(url)
    except httpx.ConnectTimeout:
        yield Finding(
            area, "wrong", "no connection in time", "look at the address, the firewall, the provider's status"
        )
        return
    except httpx.ConnectError as error:
        what = "its certificate is not accepted" if "SSL" in str(error) else "no connection, or no such name"
        yield Finding(area, "wrong", what, f"look at {area.partition(' ')[0]} in the secret, and the provider's status")
        return
    except httpx.HTTPError as error:
        yield Finding(area, "warning", f"connects, and then fails ({type(error).__name__})", "look at it again later")
        return
    yield Finding(area, "ok", f"answers (HTTP {answer.status_code} to a bare HEAD)")
    yield from _server_clock(patient, area, answer.headers.get("date"))


def _server_clock(patient: Patient, area: str, date: str | None) -> Iterator[Finding]:
    if date is None:
        return
    try:
        theirs = parsedate_to_datetime(date).timestamp()
    except ValueError:
        return
    off = patient.clock() - (patient.ahead or 0.0) - theirs
    verdict, mend = judged_skew(off, "signatures carry the time: tell the provider, or look who answers in its place")
    said = f"AWS is {abs(off):.0f} s {'ahead of' if off > 0 else 'behind'} it" if verdict != "ok" else "agrees with AWS"
    yield Finding(f"clock of {area}", verdict, said, mend)


def acceptance(patient: Patient) -> Iterator[Finding]:
    """Only what the provider documents to cost nothing: a balance, a token. A recognition would be paid for."""
    for name, provider in patient.configured.items():
        area = f"acceptance by {name}"
        try:
            if isinstance(provider, Prepaid):
                left = provider.balance(_asked(patient, provider.balance_call(Attempt(datetime.now(UTC)))))
                yield Finding(area, "ok", f"accepts the credentials; {left} recognitions are left")
            elif provider.tokens is not None:
                provider.tokens.token(_asked(patient, provider.tokens.call()))
                said = "its IAM accepts the user; whether that one may recognise is seen with the first card"
                yield Finding(area, "ok", said)
            else:
                said = "could not be checked for free: it documents no request that costs nothing"
                yield Finding(area, "unknown", said, "upload one card, and look at its record")
        except httpx.HTTPError as error:
            yield Finding(area, "unknown", f"could not be asked ({type(error).__name__})")
        except ConfigurationError as error:
            yield Finding(area, "wrong", f"refuses: {error.code}", "docs/runbook.md#provider-misconfigured")
        except ProviderError as error:
            verdict: Verdict = "wrong" if error.error_class == "quota" else "warning"
            yield Finding(area, verdict, f"answers {error.code}", f"docs/runbook.md#provider-{_section(error)}")


def _section(error: ProviderError) -> str:
    return "quota" if error.error_class == "quota" else "errors"


def _asked(patient: Patient, call: Call) -> Answer:
    answer = patient.http.post(call.url, headers=dict(call.headers), content=call.content)
    return Answer(
        answer.status_code,
        answer.content,
        datetime.now(UTC),
        request_id=answer.headers.get("X-Request-Id"),
        headers=dict(answer.headers),
    )


def states(patient: Patient) -> Iterator[Finding]:
    for name in patient.settings().providers_in_use:
        found = patient.client("dynamodb").get_item(
            TableName=patient.outputs["CardsTableName"], Key=marshalled({"record_id": f"provider_{name}"})
        )
        state = plain(found.get("Item"))
        area = f"state of {name}"
        if (error_class := state.get("error_class")) is not None:
            verdict, why, section = _TROUBLES[error_class]
            until = iso(state["paused_until"])
            yield Finding(area, verdict, f"paused until {until}, then tried with one call: {why}", section)
        elif "balance_low" in state:
            yield Finding(area, "warning", "what was bought in advance runs out", "docs/runbook.md#balance-low")
        else:
            yield Finding(area, "ok", "not paused")
