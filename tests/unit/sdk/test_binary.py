"""Whatever JSON can say, and bytes and arrays in it, comes out as it went in."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

import chainlets as chains
from chainlets import binary
from chainlets.describe import describe


class Echo(chains.ChainletBase):
    def run_remote(self, value: JsonValue) -> JsonValue:
        return value


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["$buffer", "$"]), inner),
    max_leaves=20,
)
arrays = st.builds(
    np.array,
    st.integers(0, 9) | st.lists(st.integers(0, 9)) | st.lists(st.just([1, 2])),
    st.sampled_from(["u1", ">i4", "f8", "c16", "?", "M8[s]", "U3"]),
)
trees = st.recursive(
    st.binary() | arrays | json_values,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def same(left, right):
    if isinstance(right, np.ndarray):
        return left.dtype == right.dtype and left.shape == right.shape and np.array_equal(left, right)
    if isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in right)
    return type(left) is type(right) and left == right


def with_names(value):
    """JSON has no numbers without end; where anything may stand, they come back as their names."""
    if isinstance(value, list):
        return [with_names(part) for part in value]
    if isinstance(value, dict):
        return {key: with_names(part) for key, part in value.items()}
    if isinstance(value, float) and math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value


@given(json_values)
@settings(deadline=None)
def test_any_json_value_can_be_an_argument_and_a_result(value):
    endpoint = describe(Echo).endpoint
    assert same(endpoint.unpack_input(endpoint.pack_input((value,), {})), {"value": value})
    stored = json.dumps(endpoint.encode_output(value, chainlet="Echo"), allow_nan=False)
    assert same(endpoint.decode_output(json.loads(stored)), with_names(value))


@given(trees)
@settings(deadline=None, max_examples=60)
def test_any_tree_with_bytes_and_arrays_can_be_packed(tree):
    assert same(binary.unpack(binary.pack(tree)), tree)


@given(trees, st.floats(0, 1, exclude_max=True))
@settings(deadline=None, max_examples=60)
def test_bytes_that_were_cut_are_refused(tree, share):
    packed = binary.pack([tree, b"end"])
    with pytest.raises(ValueError, match="packed data is cut"):
        binary.unpack(packed[: int(share * len(packed))])
