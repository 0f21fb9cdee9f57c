"""Would a consumer of an earlier published schema notice? What it breaks on, as sentences; nothing when all is well.

The schemas describe what the service writes and others read. So a consumer relies on every member that was described,
on every member that was certain, and on every value that it was told of or could exclude. It does not mind another
optional member, another certain one, or another code where the schema says that there may be more (`anyOf` of the known
values and a pattern).
"""

from collections.abc import Iterator, Mapping
from typing import Any

# say something to people, and nothing about documents
_ANNOTATIONS = {"$schema", "$id", "$defs", "$comment", "title", "description", "examples", "default", "deprecated"}
_COMPARED = {"$ref", "properties", "required", "items", "enum", "const", "anyOf", "oneOf"}

type Schema = Mapping[str, Any] | bool


def breaks(earlier: Mapping[str, Any], later: Mapping[str, Any]) -> list[str]:
    """Every way in which documents that `later` describes are not what `earlier` promised."""
    return list(_Comparison(earlier, later).of(earlier, later, "$"))


class _Comparison:
    def __init__(self, earlier: Mapping[str, Any], later: Mapping[str, Any]) -> None:
        self._earlier, self._later = earlier, later

    def of(self, earlier: Schema, later: Schema, path: str) -> Iterator[str]:
        if isinstance(earlier, bool) or isinstance(later, bool):
            if earlier != later:
                yield f"{path}: {'was never there' if earlier is False else 'is never there now'}"
            return
        earlier, later = _resolved(earlier, self._earlier), _resolved(later, self._later)
        yield from self._of_members(earlier, later, path)
        yield from self._of_alternatives(earlier, later, path)
        if _values(earlier) != _values(later):
            yield f"{path}: other values"
        if "items" in earlier and "items" in later:
            yield from self.of(earlier["items"], later["items"], f"{path}[]")
        elif ("items" in earlier) != ("items" in later):
            yield f"{path}: other items"
        for keyword in sorted((earlier.keys() | later.keys()) - _ANNOTATIONS - _COMPARED):
            if earlier.get(keyword) != later.get(keyword):
                yield f"{path}: other {keyword}"

    def _of_members(self, earlier: Mapping[str, Any], later: Mapping[str, Any], path: str) -> Iterator[str]:
        members = later.get("properties", {})
        for name, member in earlier.get("properties", {}).items():
            if name in members:
                yield from self.of(member, members[name], f"{path}.{name}")
            else:
                yield f"{path}.{name}: removed"
        for name in sorted(set(earlier.get("required", ())) - set(later.get("required", ()))):
            yield f"{path}.{name}: no longer certain"

    def _of_alternatives(self, earlier: Mapping[str, Any], later: Mapping[str, Any], path: str) -> Iterator[str]:
        known, now_known = _known(earlier), _known(later)
        if known is not None and now_known is not None:
            for value in sorted(known - now_known):
                yield f"{path}: {value} removed"
            if _form(earlier) != _form(later):
                yield f"{path}: other form of further values"
            return
        for keyword in ("anyOf", "oneOf"):
            before = {self._told_by(each, self._earlier): each for each in earlier.get(keyword, ())}
            after = {self._told_by(each, self._later): each for each in later.get(keyword, ())}
            for kind in sorted(before.keys() - after.keys()):
                yield f"{path}: alternative {kind} removed"
            for kind in sorted(after.keys() - before.keys()):
                yield f"{path}: alternative {kind} added"
            for kind in sorted(before.keys() & after.keys()):
                yield from self.of(before[kind], after[kind], f"{path}({kind})")

    @staticmethod
    def _told_by(schema: Mapping[str, Any], document: Mapping[str, Any]) -> str:
        """What tells an alternative from the others: its constants."""
        members = _resolved(schema, document).get("properties", {})
        constants = {name: each["const"] for name, each in members.items() if each is not False and "const" in each}
        telling = {name: constants[name] for name in ("status", "document_type", "side") if name in constants}
        return ", ".join(f"{name} {value}" for name, value in telling.items())


def _resolved(schema: Mapping[str, Any], document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema that a reference leads to; what stands beside a reference here are annotations."""
    while "$ref" in schema:
        assert schema.keys() - {"$ref"} <= _ANNOTATIONS, "a reference with rules beside it is not compared"
        schema = document["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    return schema


def _values(schema: Mapping[str, Any]) -> list[str] | None:
    """Closed values. One more is as bad as one less: a consumer that knows all of them meets another."""
    values = schema.get("enum", [schema["const"]] if "const" in schema else None)
    return None if values is None else sorted(map(repr, values))


def _known(schema: Mapping[str, Any]) -> set[str] | None:
    """The values told of so far, where the schema says that there may be more."""
    match schema.get("anyOf"):
        case [{"enum": known}, {"pattern": _}]:
            return set(known)
    return None


def _form(schema: Mapping[str, Any]) -> object:
    return schema["anyOf"][1]
