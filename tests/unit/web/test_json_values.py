"""Input that no database could keep is refused with the place where it stands."""

import json

import pytest

from webapp.api.json_values import Unstorable, check_storable


@pytest.mark.parametrize("text", ['{"a": [1, "é", null, 1.5e300]}', "{}", '{"a": {"b": "👩"}}'])
def test_ordinary_input_passes(text):
    check_storable(json.loads(text))


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('{"a": "x\\u0000"}', "input.a"),
        ('{"a": ["\\ud800"]}', "input.a.0"),
        ('{"a": 1e999}', "input.a"),
        ('{"\\ud800": 1}', "input"),
    ],
)
def test_what_cannot_be_kept_is_named(text, field):
    with pytest.raises(Unstorable) as refused:
        check_storable(json.loads(text))
    assert list(refused.value.errors) == [field]
    refused.value.detail.encode()


def test_too_many_layers_are_refused():
    with pytest.raises(Unstorable, match="layers"):
        check_storable({"a": json.loads("[" * 100 + "]" * 100)})
