"""The errors of who asks, in the tree of ``stenogram.errors``.

RequestError
├── Conflict
│   ├── NoAccounts      no_accounts       asked of a user, and no user is signed in
│   ├── EmailTaken      email_taken       another user has this address
│   └── LastAdmin       last_admin        nobody could manage users any more
├── SignInFailed        sign_in_failed    wrong in whatever way
├── WrongPassword       wrong_password    of somebody who is signed in, and wants another
├── WeakPassword        weak_password     a password that cannot be
├── NotAllowed
│   ├── CsrfFailed      csrf_failed       a cookie came without the header that goes with it
│   ├── MustChange      must_change       a password that somebody else set opens nothing but its change
│   └── SetUpRefused    set_up_refused    not the token that was printed, or not any more
└── TooManyRequests
    └── SignInSlowed    sign_in_slowed    too many failures to sign in; later it will do
"""

from __future__ import annotations

from stenogram.errors import Conflict, NotAllowed, RequestError, TooManyRequests


class NoAccounts(Conflict):
    """No user is signed in: {cause}."""

    code = "no_accounts"


class EmailTaken(Conflict):
    """Another user has the address {email}."""

    code = "email_taken"


class LastAdmin(Conflict):
    """{email} is the last admin who can sign in: make another one first, or nobody could manage users any more."""

    code = "last_admin"


class SignInFailed(RequestError):
    """That does not open: e-mail address and password, or the key, are not right.

    The same words for an unknown address, a wrong password, a closed account and a revoked key.
    """

    code = "sign_in_failed"


class WrongPassword(RequestError):
    """The current password is not right."""

    code = "wrong_password"


class WeakPassword(RequestError):
    """The password cannot be: {cause}."""

    code = "weak_password"


class CsrfFailed(NotAllowed):
    """A change that comes with the cookie needs the header X-CSRF-Token as well: GET /api/v1/session tells it."""

    code = "csrf_failed"


class MustChange(NotAllowed):
    """Choose a password of your own first: somebody else set the one that you signed in with."""

    code = "must_change"


class SetUpRefused(NotAllowed):
    """That is not the token which the server printed at its start, or it was used. A new start prints another."""

    code = "set_up_refused"


class SignInSlowed(TooManyRequests):
    """Too many attempts to sign in have failed. Try again in {retry_after_s:.0f} s."""

    code = "sign_in_slowed"
