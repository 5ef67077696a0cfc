"""Which calls of a run stand when it is repeated, as a table."""

from uuid import UUID, uuid4

import pytest

from chainlets.runtime.journal import call_id
from webapp.runs.keeping import Made, kept

NEW_ROOT = UUID(int=99)
CODES = {"Top": "t1", "Mid": "m1", "Leaf": "l1"}


def made(name, caller, chainlet, *, code=None, finished=True):
    parent = caller.id if caller else None
    return Made(
        id=uuid4(),
        caller=parent,
        chainlet=chainlet,
        input_hash=name,
        occurrence=0,
        code=CODES[chainlet] if code is None else code,
        finished=finished,
    )


def chain(**changes):
    """A root with two calls, a with two leaves and b with one."""
    root = made("root", None, "Top", **changes.get("root", {}))
    a, b = made("a", root, "Mid", **changes.get("a", {})), made("b", root, "Mid", **changes.get("b", {}))
    leaves = [
        made(name, above, "Leaf", **changes.get(name, {}))
        for name, above in (("a0", a), ("a1", a), ("b0", b))
    ]
    return {call.input_hash: call for call in (root, a, b, *leaves)}


@pytest.mark.parametrize(
    ("changes", "again", "standing"),
    [
        ({}, None, {"a", "b"}),
        ({}, "root", set()),
        ({}, "a", {"b"}),
        ({}, "a1", {"a0", "b"}),
        ({"a": {"finished": False}}, None, {"a0", "a1", "b"}),
        ({"a": {"finished": False}, "a1": {"finished": False}}, None, {"a0", "b"}),
        ({"a": {"code": "m0"}}, None, {"a0", "a1", "b"}),
        ({"a": {"code": "m0"}, "a0": {"code": "l0"}}, None, {"a1", "b"}),
        ({"b": {"code": ""}, "b0": {"code": ""}}, None, {"a"}),
        ({"root": {"finished": False, "code": "t0"}}, None, {"a", "b"}),
    ],
)
def test_what_stands(changes, again, standing):
    calls = chain(**changes)
    start = calls[again].id if again else None

    found = kept(calls.values(), root=NEW_ROOT, again=start, codes=CODES)

    assert {name for name, call in calls.items() if call.id in found} == standing


def test_each_has_the_id_that_the_same_call_has_in_the_new_run():
    calls = chain(a={"finished": False})
    found = kept(calls.values(), root=NEW_ROOT, again=None, codes=CODES)

    a = call_id(parent=NEW_ROOT, chainlet="Mid", digest="a", occurrence=0)
    assert found[calls["a0"].id] == call_id(parent=a, chainlet="Leaf", digest="a0", occurrence=0)
    assert found[calls["b"].id] == call_id(parent=NEW_ROOT, chainlet="Mid", digest="b", occurrence=0)


def test_a_chainlet_that_is_not_there_any_more_keeps_nothing():
    calls = chain()
    assert kept(calls.values(), root=NEW_ROOT, again=None, codes={"Top": "t1"}) == {}
