"""Passwords: which may be, how they are hashed, and that a check without a user is a check."""

from __future__ import annotations

import base64
import threading
import time
from typing import Any

import argon2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stenogram.accounts import passwords
from stenogram.accounts.errors import WeakPassword
from stenogram.accounts.passwords import AT_ONCE, Passwords, require_good

CHEAP = Passwords(1, 8, 1)


def test_a_hash_is_argon2id_with_the_parameters_of_rfc_9106() -> None:
    kept = Passwords().hash("correct horse")
    parameters = argon2.extract_parameters(kept)

    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert parameters == argon2.profiles.RFC_9106_LOW_MEMORY
    assert Passwords().check(kept, "correct horse")
    assert not Passwords().check(kept, "correct horsf")


def test_equal_passwords_have_different_hashes() -> None:
    assert CHEAP.hash("correct horse") != CHEAP.hash("correct horse")


@given(st.text(), st.text())
def test_exactly_the_same_text_opens(password: str, other: str) -> None:
    """Whatever it is made of; but for forms of the same characters, which a keyboard may choose."""
    kept = CHEAP.hash(password)

    assert CHEAP.check(kept, password)
    assert CHEAP.check(kept, other) is (passwords._prepared(other) == passwords._prepared(password))


def test_the_same_characters_composed_otherwise_are_the_same_password() -> None:
    assert CHEAP.check(CHEAP.hash("Zoë's café № 1"), "Zoe\u0308's cafe\u0301 № 1")


def test_without_a_user_the_same_work_is_done_and_nothing_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time that it takes would tell who has an account."""
    done: list[argon2.Parameters] = []
    verify = argon2.PasswordHasher.verify

    def counted(self: argon2.PasswordHasher, kept: str, password: bytes) -> Any:
        done.append(argon2.extract_parameters(kept))
        return verify(self, kept, password)

    monkeypatch.setattr(argon2.PasswordHasher, "verify", counted)
    asked = Passwords(2, 64, 2)
    kept = asked.hash("correct horse")
    for text in ("", "correct horse", "x" * 1024):
        assert not asked.check(None, text)
    asked.check(kept, "wrong horse")

    assert len(done) == 4
    assert len(set(map(str, done))) == 1


def test_a_stored_text_that_is_no_hash_opens_nothing() -> None:
    assert not CHEAP.check("", "")
    assert not CHEAP.check("correct horse", "correct horse")
    assert not CHEAP.check("$argon2id$v=19$m=8,t=1,p=1$" + base64.b64encode(b"salt").decode(), "x")


def test_a_hash_of_other_parameters_still_opens_and_is_told_to_be_outdated() -> None:
    kept = CHEAP.hash("correct horse")
    newer = Passwords(2, 8, 1)

    assert newer.check(kept, "correct horse")
    assert newer.is_outdated(kept)
    assert not newer.is_outdated(newer.hash("correct horse"))


def test_only_so_many_hashes_are_computed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes 64 MiB."""
    running, most, lock = 0, 0, threading.Lock()
    plain = argon2.PasswordHasher.hash

    def counted(self: argon2.PasswordHasher, password: bytes) -> str:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.005)
        with lock:
            running -= 1
        return plain(self, password)

    monkeypatch.setattr(argon2.PasswordHasher, "hash", counted)
    threads = [threading.Thread(target=CHEAP.hash, args=("correct horse",)) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert most == AT_ONCE


@pytest.mark.parametrize("password", ["correct horse", "пароль-пароль", "a" * 7 + "b", "字" * 7 + "書", "x1" * 512])
def test_any_characters_will_do_if_there_are_enough(password: str) -> None:
    require_good(password)


@pytest.mark.parametrize(
    ("password", "cause"),
    [
        ("", "0 characters"),
        ("1234567", "7 characters"),
        ("字書" * 3, "6 characters"),
        ("x1" * 512 + "y", "1024 bytes"),
        ("aaaaaaaaaaaa", "easy to guess"),
        ("ANN@example.org", "easy to guess"),
        ("e\u0301" * 6 + "a", "7 characters"),
    ],
)
def test_a_password_that_is_too_short_too_long_or_known_is_refused_and_not_repeated(password: str, cause: str) -> None:
    with pytest.raises(WeakPassword, match=cause) as refused:
        require_good(password, ("ann@example.org",))
    assert len(password) < 5 or password not in str(refused.value)


def test_an_invented_password_is_good_and_never_the_same() -> None:
    made = {passwords.invented() for _ in range(50)}

    assert len(made) == 50
    for password in made:
        require_good(password)
