"""NumPy arrays in models: the same array comes back, in JSON as its schema says."""

import base64
import json
import subprocess
import sys

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pydantic import BaseModel, TypeAdapter, ValidationError

import chainlets as chains
from chainlets.pydantic_numpy import NumpyArrayField
from tests.harness import ROOT


class Sound(BaseModel):
    name: str = "a"
    samples: NumpyArrayField


ARRAY = np.arange(6, dtype=np.float32).reshape(2, 3)
WIRE = {"data_b64": base64.b64encode(ARRAY.tobytes()).decode(), "shape": [2, 3], "dtype": "float32"}


@pytest.mark.parametrize("given_as", [ARRAY, NumpyArrayField(ARRAY), WIRE, {**WIRE, "shape": (2, 3)}])
def test_a_field_takes_an_array_another_field_or_its_dict(given_as):
    assert np.array_equal(Sound(samples=given_as).samples.array, ARRAY)


def test_json_has_data_shape_and_dtype():
    assert json.loads(Sound(samples=ARRAY).model_dump_json()) == {"name": "a", "samples": WIRE}
    assert Sound(samples=ARRAY).model_dump(mode="json")["samples"] == WIRE


def test_a_plain_dump_has_the_array_itself():
    dumped = Sound(samples=ARRAY).model_dump()
    assert dumped["samples"] is ARRAY
    assert Sound.model_validate(dumped) == Sound(samples=ARRAY)


@given(
    arrays.arrays(
        dtype=st.one_of(
            arrays.boolean_dtypes(),
            arrays.integer_dtypes(),
            arrays.unsigned_integer_dtypes(),
            arrays.floating_dtypes(),
            arrays.complex_number_dtypes(),
            arrays.datetime64_dtypes(),
            arrays.unicode_string_dtypes(),
            arrays.byte_string_dtypes(),
        ),
        shape=arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
    )
)
def test_any_array_comes_back_as_it_was_but_writable_and_in_c_order(array):
    back = Sound.model_validate_json(Sound(samples=array).model_dump_json()).samples.array

    assert (back.dtype, back.shape, back.tobytes()) == (array.dtype, array.shape, array.tobytes())
    assert back.flags.c_contiguous
    assert back.flags.writeable
    assert back.flags.aligned


@pytest.mark.parametrize(
    "odd", [ARRAY.T, ARRAY[:, ::2], ARRAY[::-1], np.asfortranarray(ARRAY), np.float32(ARRAY).T]
)
def test_arrays_that_lie_otherwise_in_memory_come_back_in_c_order(odd):
    back = Sound.model_validate_json(Sound(samples=odd).model_dump_json()).samples.array
    assert np.array_equal(back, odd)
    assert back.flags.c_contiguous


def test_changing_what_came_back_leaves_the_original_alone():
    back = Sound.model_validate(Sound(samples=ARRAY).model_dump(mode="json")).samples.array
    back[0, 0] = 7
    assert ARRAY[0, 0] == 0


def test_the_schema_describes_what_is_sent_and_what_is_taken():
    sent = Sound.model_json_schema(mode="serialization")["properties"]["samples"]
    taken = Sound.model_json_schema(mode="validation")["properties"]["samples"]
    assert sent == taken
    jsonschema.validate(WIRE, taken)
    for wrong in ({"data": WIRE["data_b64"]}, {**WIRE, "more": 1}, {**WIRE, "shape": [-1]}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, taken)
        with pytest.raises(ValidationError):
            Sound(samples=wrong)


def test_it_needs_no_model_around_it():
    adapter = TypeAdapter(dict[str, NumpyArrayField | None])
    back = adapter.validate_json(adapter.dump_json({"a": NumpyArrayField(ARRAY), "b": None}))
    assert back == {"a": NumpyArrayField(ARRAY), "b": None}


@pytest.mark.parametrize(
    ("given_as", "message"),
    [
        (np.array([{}, None]), r"has Python objects, which cannot be sent. Convert it: `array.astype"),
        (np.array(["a"], dtype=np.dtypes.StringDType()), "has Python objects"),
        (np.zeros(2, dtype=[("a", "i4")]), "Send one array for each of its columns"),
        ([1.0, 2.0], "takes a NumPy array and got a list. Write `np.asarray"),
        (None, "got a NoneType"),
        ({**WIRE, "dtype": "object"}, "has Python objects"),
        ({**WIRE, "dtype": "O"}, "has Python objects"),
        ({**WIRE, "dtype": "float33"}, "'float33', which NumPy does not know"),
        ({**WIRE, "dtype": "(3,"}, "which NumPy does not know"),
        ({**WIRE, "dtype": "i4,f4"}, "cannot be sent"),
        ({**WIRE, "dtype": "(3,)f4"}, "cannot be sent"),
        ({**WIRE, "dtype": "V0", "data_b64": "", "shape": [10**12]}, "cannot be sent"),
        (
            {**WIRE, "dtype": "float64"},
            r"has 24 bytes, and an array of shape \(2, 3\) and dtype float64 needs 48",
        ),
        ({**WIRE, "shape": [2, 2]}, "needs 16"),
        ({**WIRE, "shape": [0, 10**30], "data_b64": ""}, "dimension"),
        ({**WIRE, "shape": [2, -3]}, "greater than or equal to 0"),
        ({**WIRE, "data_b64": "no base64!"}, "base64"),
        ({**WIRE, "data_b64": "ü"}, "ASCII"),
        ({"shape": [1], "dtype": "int8"}, "data_b64"),
    ],
)
def test_what_cannot_be_sent_or_does_not_fit_is_an_error_of_the_field(given_as, message):
    with pytest.raises(ValidationError, match=message) as caught:
        Sound(samples=given_as)
    assert caught.value.errors()[0]["loc"][0] == "samples"


def test_an_array_that_cannot_be_sent_is_refused_where_it_is_wrapped():
    with pytest.raises(ValueError, match="Python objects"):
        NumpyArrayField(np.array([{}]))


def test_fields_are_compared_by_value_and_shown_by_shape():
    assert NumpyArrayField(ARRAY) == NumpyArrayField(ARRAY.copy())
    assert NumpyArrayField(ARRAY) != NumpyArrayField(ARRAY.astype(np.float64))
    assert NumpyArrayField(ARRAY) != NumpyArrayField(ARRAY + 1)
    assert NumpyArrayField(ARRAY) != ARRAY.shape
    assert repr(NumpyArrayField(ARRAY)) == "NumpyArrayField(shape=(2, 3), dtype=float32)"


class Louder(chains.ChainletBase):
    async def run_remote(self, sound: Sound, factor: float = 2) -> NumpyArrayField:
        return NumpyArrayField(sound.samples.array * factor)


async def test_a_chainlet_takes_and_gives_arrays():
    result = await Louder().run_remote(Sound(samples=ARRAY))
    assert np.array_equal(result.array, ARRAY * 2)


def test_the_sdk_does_not_load_numpy():
    code = "import sys, chainlets; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
