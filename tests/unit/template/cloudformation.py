"""Reads template.yaml as CloudFormation does: short tags, conditions, functions, for given parameters.

References that only a deployment could resolve stay readable: `Ref` of a resource becomes `<Queue>`, `GetAtt` becomes
`<Queue.Arn>`. A function that is not known here raises, so that no test passes on something that it did not look at.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parents[3]
PSEUDO_PARAMETERS = {
    "AWS::AccountId": "111122223333",
    "AWS::Partition": "aws-cn",
    "AWS::Region": "cn-north-1",
    "AWS::StackName": "cardintake",
    "AWS::URLSuffix": "amazonaws.com.cn",
}
type Template = dict[str, Any]
_NOTHING = object()


class _Loader(yaml.SafeLoader):
    """Turns `!Sub x` into `{"Fn::Sub": x}`."""


def _short_tag(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        raise TypeError(f"!{suffix} of a mapping at {node.start_mark}")
    if suffix == "GetAtt":
        value = value.split(".", 1)
    return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _short_tag)


def load(path: Path = REPOSITORY / "template.yaml") -> Template:
    """The template as it is written, functions in their long form."""
    template: Template = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a SafeLoader with tags
    return template


class Deployment:
    """What a template comes to with these parameters, the rest at their defaults."""

    def __init__(self, template: Template, parameters: Mapping[str, str] | None = None) -> None:
        given = parameters or {}
        declared = template["Parameters"]
        unknown = given.keys() - declared.keys()
        if unknown:
            raise KeyError(f"no such parameters: {sorted(unknown)}")
        self._values: dict[str, Any] = dict(PSEUDO_PARAMETERS)
        for name, declaration in declared.items():
            value = given.get(name, declaration["Default"])
            self._values[name] = value.split(",") if declaration["Type"] == "CommaDelimitedList" else value
        self._conditions = template["Conditions"]
        self._all = template["Resources"]
        self.resources: dict[str, dict[str, Any]] = {
            name: self.resolve(resource)
            for name, resource in self._all.items()
            if "Condition" not in resource or self.holds(resource["Condition"])
        }

    def holds(self, condition: str) -> bool:
        """Whether a condition of the template is true."""
        return bool(self.resolve(self._conditions[condition]))

    def properties(self, name: str) -> dict[str, Any]:
        """The resolved properties of a resource."""
        found: dict[str, Any] = self.resources[name]["Properties"]
        return found

    def of_type(self, *types: str) -> dict[str, dict[str, Any]]:
        """The properties of all resources of these types, by logical id."""
        return {
            name: resource.get("Properties", {})
            for name, resource in self.resources.items()
            if resource["Type"] in types
        }

    def resolve(self, value: Any) -> Any:
        """The value with its functions worked out; members that are AWS::NoValue are gone."""
        if isinstance(value, list):
            return [item for item in map(self.resolve, value) if item is not _NOTHING]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            name, argument = next(iter(value.items()))
            if name == "Ref":
                return self._reference(argument)
            if name == "Condition" and isinstance(argument, str):
                return self.holds(argument)
            if name.startswith("Fn::"):
                return self._functions[name](self, argument)
        resolved = {key: self.resolve(item) for key, item in value.items()}
        return {key: item for key, item in resolved.items() if item is not _NOTHING}

    def _reference(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return _NOTHING
        if name in self._values:
            return self._values[name]
        if name in self._all:
            return f"<{name}>"
        raise KeyError(f"Ref of {name}")

    def _attribute(self, path: list[str]) -> str:
        if path[0] not in self._all:
            raise KeyError(f"GetAtt of {path[0]}")
        return f"<{'.'.join(path)}>"

    def _substitute(self, text: str) -> str:
        def one(match: re.Match[str]) -> str:
            name = match[1]
            resource, dot, attribute = name.partition(".")
            return self._attribute([resource, attribute]) if dot else str(self._reference(name))

        return re.sub(r"\$\{([^}]+)\}", one, text)

    def _choose(self, argument: list[Any]) -> Any:
        condition, if_true, if_false = argument
        return self.resolve(if_true if self.holds(condition) else if_false)

    def _equal(self, argument: list[Any]) -> bool:
        left, right = map(self.resolve, argument)
        return bool(left == right)

    _functions: Mapping[str, Callable[["Deployment", Any], Any]] = {
        "Fn::GetAtt": _attribute,
        "Fn::Sub": _substitute,
        "Fn::If": _choose,
        "Fn::Equals": _equal,
        "Fn::Not": lambda self, argument: not self.resolve(argument[0]),
        "Fn::Join": lambda self, argument: argument[0].join(self.resolve(argument[1])),
    }


def walk(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every node below a value, with its path."""
    yield path, value
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from walk(child, f"{path}/{key}")


def as_list(value: Any) -> list[Any]:
    """Policies write one thing or a list of things."""
    return value if isinstance(value, list) else [value]


def statements(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The statements of a policy document, actions and resources as lists."""
    return [
        {**statement, "Action": as_list(statement["Action"]), "Resource": as_list(statement.get("Resource", []))}
        for statement in as_list(document["Statement"])
    ]
