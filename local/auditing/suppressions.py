"""Findings of the external rule sets, and those that the template declares to be meant: `Metadata: SuppressedRules`.

A suppression names rules, resources and a reason. One that suppresses nothing is itself a finding: it would hide the
day on which the rule begins to be right.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, order=True)
class Finding:
    """A rule that a resource breaks. rule: the tool's own id, for example CKV_AWS_18, WS1000 or CT.S3.PR.2."""

    rule: str
    resource: str
    message: str


@dataclass(frozen=True)
class Verdict:
    """What is left to do. unneeded: suppressed pairs of rule and resource that no tool has found."""

    suppressed: tuple[Finding, ...]
    unsuppressed: tuple[Finding, ...]
    unneeded: tuple[tuple[str, str], ...]


def suppressions(template: Mapping[str, Any]) -> dict[tuple[str, str], str]:
    """Rule and resource: the reason. Raises ValueError for one without a reason, twice, or of an unknown resource."""
    found: dict[tuple[str, str], str] = {}
    for entry in template.get("Metadata", {}).get("SuppressedRules", []):
        rules, resources, reason = entry["Rules"], entry["Resources"], str(entry.get("Reason") or "").strip()
        if not reason:
            raise ValueError(f"SuppressedRules: {rules} has no Reason")
        for rule in rules:
            for resource in resources:
                if resource not in template["Resources"]:
                    raise ValueError(f"SuppressedRules: {rule} names {resource}, which is no resource")
                if (rule, resource) in found:
                    raise ValueError(f"SuppressedRules: {rule} is suppressed twice for {resource}")
                found[rule, resource] = reason
    return found


def judge(findings: Iterable[Finding], template: Mapping[str, Any]) -> Verdict:
    """Compares findings on the transformed template with what the template as written suppresses."""
    allowed = suppressions(template)
    owned = sorted(
        {Finding(one.rule, owner(one.resource, template["Resources"]), one.message) for one in findings},
    )
    seen = {(one.rule, one.resource) for one in owned}
    return Verdict(
        suppressed=tuple(one for one in owned if (one.rule, one.resource) in allowed),
        unsuppressed=tuple(one for one in owned if (one.rule, one.resource) not in allowed),
        unneeded=tuple(sorted(allowed.keys() - seen)),
    )


def owner(resource: str, written: Collection[str]) -> str:
    """The resource as written that SAM made this one from: its name begins with that one's. Else the name itself."""
    return max((name for name in written if resource.startswith(name)), key=len, default=resource)
