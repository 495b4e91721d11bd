"""What a browser keeps of somebody whom we have sent to a provider."""

import time

import pytest

from aggregation_pipeline.web.sign_in.sealed_attempts import LONGEST, SealedAttempts

ATTEMPT = {"state": "s", "code_verifier": "v" * 48, "nonce": "n", "redirect_uri": "https://a/b", "next": "/运行"}


def test_an_attempt_is_opened_by_every_process_that_knows_the_secret_and_by_nobody_else():
    sealed = SealedAttempts("secret").seal(ATTEMPT)
    assert SealedAttempts("secret").open(sealed) == ATTEMPT
    assert SealedAttempts("other").open(sealed) == {}
    assert "secret" not in sealed


def test_what_is_changed_or_none_of_ours_is_no_attempt():
    attempts = SealedAttempts("secret")
    content, _, seal = attempts.seal(ATTEMPT).partition(".")
    changed = (content[1:] + "." + seal, content + "x." + seal, content, "." + seal, "", ".", "é.é", "\ud800.\ud800")
    for text in (*changed, content + "." + seal.upper()):
        assert attempts.open(text) == {}, text


def test_an_attempt_ends_after_ten_minutes(monkeypatch: pytest.MonkeyPatch):
    attempts = SealedAttempts("secret")
    sealed, now = attempts.seal(ATTEMPT), time.time()
    monkeypatch.setattr(time, "time", lambda: now + 590)
    assert attempts.open(sealed) == ATTEMPT
    monkeypatch.setattr(time, "time", lambda: now + 601)
    assert attempts.open(sealed) == {}


def test_a_path_that_is_too_long_for_a_cookie_is_left_out():
    attempts = SealedAttempts("secret")
    sealed = attempts.seal({**ATTEMPT, "next": "/" + "行" * 1999})
    assert len(sealed) <= LONGEST
    assert attempts.open(sealed) == {**ATTEMPT, "next": ""}
