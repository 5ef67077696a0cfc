"""What is kept of an API key does not give the key away."""

from webapp.accounts.keys import new_key, parts_of, same


def test_a_key_is_recognised_by_its_parts():
    key = new_key()
    assert parts_of(key, pepper="p") == parts_of(key, pepper="p")
    assert key.startswith(parts_of(key, pepper="p").prefix + "_")


def test_nothing_of_the_secret_part_is_kept():
    key = new_key()
    parts = parts_of(key, pepper="p")
    secret = key.removeprefix(parts.prefix + "_")
    assert len(secret) >= 40
    assert secret[:6] not in parts.prefix + parts.hash


def test_another_pepper_gives_another_hash():
    key = new_key()
    assert parts_of(key, pepper="p").hash != parts_of(key, pepper="q").hash


def test_of_a_key_of_the_operators_own_no_letter_is_shown():
    parts = parts_of("ck_hunter2", pepper="p")
    assert parts.prefix.startswith("own_")
    assert "hunter" not in parts.prefix
    assert parts != parts_of("ck_hunter3", pepper="p")


def test_keys_are_never_the_same_twice():
    assert len({new_key() for _ in range(1000)}) == 1000


def test_hashes_are_compared_as_a_whole():
    assert same("ab", "ab")
    assert not same("ab", "ac")
    assert not same("ab", "abc")
