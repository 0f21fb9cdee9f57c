"""DynamoDB items: the same forms as boto3's own serializer, for whatever an item of ours can hold."""

from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from hypothesis import given
from hypothesis import strategies as st

from cardintake.items import marshalled, plain

_WHOLE = st.integers(min_value=-(10**37), max_value=10**37)
_SCALARS = st.one_of(st.text(max_size=20), st.booleans(), _WHOLE, st.sets(st.text(max_size=5), min_size=1, max_size=3))
_VALUES = st.recursive(
    st.one_of(_SCALARS, st.none()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=12,
)


@given(st.dictionaries(st.text(min_size=1, max_size=5), _VALUES, max_size=4))
def test_it_is_written_as_boto3_writes_it_and_read_back(item: dict[str, Any]) -> None:
    written = marshalled(item)
    assert written == {name: TypeSerializer().serialize(value) for name, value in item.items() if value is not None}
    assert plain(written) == {name: value for name, value in item.items() if value is not None}
    assert all(_same_types(plain(written)[name], value) for name, value in item.items() if value is not None)


def _same_types(one: object, other: object) -> bool:
    """True == 1 in Python, and not in DynamoDB."""
    if isinstance(one, list) and isinstance(other, list):
        return all(map(_same_types, one, other))
    return type(one) is type(other)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9))
def test_numbers_come_back_as_what_they_are(number: Decimal) -> None:
    read = plain(marshalled({"n": number}))["n"]
    assert read == (int(number) if number == int(number) else float(number))
    assert type(read) is (int if number == int(number) else float)
    assert Decimal(marshalled({"n": number})["n"]["N"]) == number


def test_what_others_may_have_written_is_read_as_boto3_reads_it() -> None:
    item: dict[str, Any] = {
        "numbers": {"NS": ["1", "2.5"]},
        "names": {"SS": ["b", "a"]},
        "blob": {"B": b"\x00"},
        "blobs": {"BS": [b"1"]},
    }
    assert plain(item) == {"numbers": {1, 2.5}, "names": {"a", "b"}, "blob": b"\x00", "blobs": {b"1"}}
    assert all(plain({name: value})[name] == TypeDeserializer().deserialize(value) for name, value in item.items())


def test_no_item_is_no_attributes() -> None:
    assert plain(None) == {}


@pytest.mark.parametrize("value", [1.5, object(), set(), {1, "a"}, {1}, b"bytes"])
def test_a_value_that_no_attribute_of_ours_has_is_refused_without_being_told(value: object) -> None:
    with pytest.raises(TypeError, match=r"^no attribute of an item can be a \w+$"):
        marshalled({"name": value})
