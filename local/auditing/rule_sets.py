"""External rule sets on the template as it is built: cfn-lint with the serverless rules, checkov, and AWS's rules for
cfn-guard. No rule set is fetched and nobody is asked: all three come with `.venvs/audit`.

    python -m local.auditing.rule_sets [TEMPLATE]

The rules for cfn-guard are those of AWS Control Tower: the package cdklabs-cdk-validator-cfnguard ships them with the
program.
"""

import io
import json
import platform
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from local.auditing.suppressions import Finding, Verdict, judge
from local.environment import REGION, REPOSITORY, VENVS

TEMPLATE = REPOSITORY / "template.yaml"
SECONDS = 300
_AUDIT = VENVS / "audit"
type Template = dict[str, Any]

# Packaged code has an address; the transform takes no folder.
_READ_AND_TRANSFORM = """
import json, sys
from cfnlint.decode import decode
from samtranslator.translator.managed_policy_translator import ManagedPolicyLoader
from samtranslator.translator.transform import transform

written, problems = decode(sys.argv[1])
if problems:
    sys.exit("\\n".join(map(str, problems)))
source = json.loads(json.dumps(written))
for name, resource in source["Resources"].items():
    properties = resource.get("Properties", {})
    for code in ("CodeUri", "ContentUri"):
        if isinstance(properties.get(code), str):
            properties[code] = f"s3://artifacts/{name}.zip"
    if isinstance(properties.get("DefinitionS3Location"), str):
        properties["DefinitionS3Location"] = {"Bucket": "artifacts", "Key": name}
source = json.dumps(source)
json.dump([json.loads(source), transform(json.loads(source), {}, ManagedPolicyLoader(None))], sys.stdout)
"""
_PROGRAMS = {
    ("Linux", "x86_64"): "ubuntu/x86_64",
    ("Linux", "aarch64"): "ubuntu/aarch64",
    ("Darwin", "x86_64"): "macos/x86_64",
    ("Darwin", "arm64"): "macos/aarch64",
}
_CONTROL = re.compile(r"\[(CT\.[A-Z0-9.]+)\]: *([^\n]*)")
_RESOURCE = re.compile(r"^/Resources/([A-Za-z0-9]+)")


class AuditFailedError(RuntimeError):
    """A tool did not do its work; the message holds its last words. Says nothing about the template."""


def audit(path: Path = TEMPLATE) -> Verdict:
    """Runs every rule set on the template at that path. Raises AuditFailedError, never passes for want of a tool."""
    written, built = transformed(path)
    with tempfile.TemporaryDirectory(prefix="cardintake-audit-") as scratch:
        file = Path(scratch) / "template.json"
        file.write_text(json.dumps(built, indent=1), encoding="utf-8")
        findings = [finding for rule_set in RULE_SETS.values() for finding in rule_set(file)]
    return judge(findings, written)


def transformed(path: Path) -> tuple[Template, Template]:
    """The template as written, functions in their long form, and the plain CloudFormation that SAM makes of it."""
    done = _run([str(_AUDIT / "bin" / "python"), "-c", _READ_AND_TRANSFORM, str(path)], path.parent)
    if done.returncode:
        raise AuditFailedError(f"SAM's transform failed:\n{done.stderr[-2000:]}")
    written, built = json.loads(done.stdout)
    return written, built


# ── The tools ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def cfn_lint(file: Path) -> list[Finding]:
    """Errors and warnings of cfn-lint's own rules and of the serverless rules."""
    options = ["--append-rules", "cfn_lint_serverless.rules", "--format", "json", "--non-zero-exit-code", "none"]
    done = _run([str(_AUDIT / "bin" / "cfn-lint"), *options, "--", str(file)], file.parent)
    if done.returncode:
        raise AuditFailedError(f"cfn-lint failed:\n{done.stdout[-1000:]}{done.stderr[-1000:]}")
    return read_cfn_lint(json.loads(done.stdout))


def read_cfn_lint(answer: Sequence[Mapping[str, Any]]) -> list[Finding]:
    findings = []
    for match in answer:
        path = match["Location"]["Path"] or []
        resource = str(path[1]) if len(path) > 1 and path[0] == "Resources" else "template"
        findings.append(Finding(match["Rule"]["Id"], resource, match["Message"]))
    return findings


def checkov(file: Path) -> list[Finding]:
    """checkov's built-in rules for CloudFormation; nothing is downloaded or uploaded."""
    options = ["--framework", "cloudformation", "--skip-download", "--soft-fail", "--quiet", "--compact"]
    done = _run([str(_AUDIT / "bin" / "checkov"), "--file", str(file), *options, "--output", "json"], file.parent)
    if done.returncode:
        raise AuditFailedError(f"checkov failed:\n{done.stdout[-1000:]}{done.stderr[-1000:]}")
    return read_checkov(json.loads(done.stdout))


def read_checkov(answer: Mapping[str, Any]) -> list[Finding]:
    """Raises AuditFailedError when checkov read no resource, or could not read one."""
    summary = answer.get("summary", answer)
    if summary["parsing_errors"] or not summary["passed"] + summary["failed"]:
        raise AuditFailedError(f"checkov read nothing of the template: {summary}")
    failed = answer["results"]["failed_checks"]
    return [Finding(one["check_id"], one["resource"].rpartition(".")[2], one["check_name"]) for one in failed]


def cfn_guard(file: Path) -> list[Finding]:
    """AWS Control Tower's proactive controls, in the language of cfn-guard."""
    unpacked = file.parent / "guard"
    program, rules = _unpacked_guard(unpacked)
    options = ["--structured", "--output-format", "json", "--show-summary", "none"]
    done = _run([str(program), "validate", "--data", str(file), "--rules", str(rules), *options], unpacked)
    # 19: rules are broken. 0: none is.
    if done.returncode not in {0, 19}:
        raise AuditFailedError(f"cfn-guard failed with code {done.returncode}:\n{done.stderr[-2000:]}")
    (answer,) = json.loads(done.stdout)
    return read_cfn_guard(answer)


def read_cfn_guard(answer: Mapping[str, Any]) -> list[Finding]:
    """Raises AuditFailedError when no rule applied, or a broken one names no control or no resource."""
    if not answer["compliant"] and not answer["not_compliant"]:
        raise AuditFailedError("no rule of cfn-guard applied to the template")
    findings = set()
    for broken in answer["not_compliant"]:
        texts = list(_texts(broken))
        control = next(
            (found for key, text in texts if key == "custom_message" and (found := _CONTROL.search(text))), None
        )
        names = {found.group(1) for key, text in texts if key == "path" and (found := _RESOURCE.match(text))}
        if control is None or not names:
            raise AuditFailedError(f"cfn-guard broke its form at {broken['Rule']['name']}")
        findings |= {Finding(control.group(1), name, control.group(2)) for name in names}
    return sorted(findings)


def _texts(value: object) -> Iterator[tuple[str, str]]:
    """Every text in nested maps and lists, with the key that it stands under."""
    if isinstance(value, dict):
        for key, member in value.items():
            if isinstance(member, str):
                yield key, member
            else:
                yield from _texts(member)
    elif isinstance(value, list):
        for member in value:
            yield from _texts(member)


def _unpacked_guard(target: Path) -> tuple[Path, Path]:
    """The program for this machine and the folder of rules, unpacked below that folder."""
    machine = (platform.system(), platform.machine())
    if machine not in _PROGRAMS:
        raise AuditFailedError(f"cfn-guard is not shipped for {' '.join(machine)}")
    folder = f"package/bin/{_PROGRAMS[machine]}/"
    packed = list(_AUDIT.glob("lib/python3*/site-packages/cdklabs/cdk_validator_cfnguard/_jsii/*.jsii.tgz"))
    if len(packed) != 1:
        raise AuditFailedError("cfn-guard is not installed: python3 local/bootstrap.py audit")
    with tarfile.open(fileobj=io.BytesIO(packed[0].read_bytes())) as archive:
        wanted = [one for one in archive if one.name.startswith((folder, "package/rules/"))]
        archive.extractall(target, wanted, filter="data")
    return target / folder / "cfn-guard", target / "package" / "rules"


RULE_SETS: Mapping[str, Callable[[Path], list[Finding]]] = {
    "cfn-lint with the serverless rules": cfn_lint,
    "checkov": checkov,
    "AWS Control Tower's rules for cfn-guard": cfn_guard,
}


def _run(command: Sequence[str], home: Path) -> subprocess.CompletedProcess[str]:
    """Nothing of the user's environment: neither credentials for AWS nor for a vendor's platform."""
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(home), "AWS_DEFAULT_REGION": REGION, "LANG": "C.UTF-8"}
    try:
        return subprocess.run(
            command, env=environment, cwd=home, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AuditFailedError(f"{Path(command[0]).name} did not run: {error}") from error


def main() -> int:
    path = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else TEMPLATE
    try:
        verdict = audit(path)
    except AuditFailedError as error:
        print(error, file=sys.stderr)
        return 2
    for finding in verdict.unsuppressed:
        print(f"  {finding.rule} {finding.resource}: {finding.message}")
    for rule, resource in verdict.unneeded:
        print(f"  {rule} {resource}: suppressed in the template, but not found any more")
    print(
        f"{', '.join(RULE_SETS)}: {len(verdict.unsuppressed)} findings, {len(verdict.suppressed)} suppressed with a"
        f" reason, {len(verdict.unneeded)} suppressions too many"
    )
    return 1 if verdict.unsuppressed or verdict.unneeded else 0


if __name__ == "__main__":
    sys.exit(main())
