"""The audit log: sign-ins, the use of keys, deletions, and whatever changes who may do what.

An entry is written in the transaction that does what it tells of: either both are there or neither. It holds ids and
no content: who reads the log (an admin) does not thereby read the recordings of others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from stenogram.job import Caller
from stenogram.store import audit
from stenogram.store.audit import Entry
from stenogram.store.database import Database, Transaction

Action = Literal[
    "sign_in",
    "sign_in_failed",
    "sign_out",
    "session_revoked",
    "set_up",
    "user_created",
    "user_changed",
    "user_deactivated",
    "user_reactivated",
    "password_changed",
    "password_reset",
    "key_created",
    "key_used",
    "key_revoked",
    "job_trashed",
    "job_restored",
    "job_deleted",
    "speaker_deleted",
    "share_created",
    "share_opened",
    "share_revoked",
]

ACTIONS: Mapping[Action, str] = {
    "sign_in": "a session began; the subject is the session",
    "sign_in_failed": "wrong e-mail or password; the subject is the user, where there is one",
    "sign_out": "a session was ended by who had it",
    "session_revoked": "a session, or all but the current one, was ended from another",
    "set_up": "the first admin was made with the token that the server printed, or on the command line",
    "user_created": "a user was made; the detail has the role",
    "user_changed": "a user got another name or role",
    "user_deactivated": "a user may not enter any more; their sessions ended and their keys open nothing",
    "user_reactivated": "a user may enter again",
    "password_changed": "a user changed their password; their other sessions ended",
    "password_reset": "somebody else set a user's password",
    "key_created": "an API key was made; the detail has its owner and scopes",
    "key_used": "an API key opened; noted at most once an hour for each address it comes from",
    "key_revoked": "an API key was made useless",
    "job_trashed": "a recording was put into the trash, from which it can come back",
    "job_restored": "a recording came back from the trash",
    "job_deleted": "a recording and all that was made of it was deleted for good; the detail says why, if by itself",
    "speaker_deleted": "a known voice was deleted for good",
    "share_created": "a link to a transcript was made; the detail has the job",
    "share_opened": "somebody followed a link; noted at most once an hour for each",
    "share_revoked": "a link was made useless",
}
"""What is noted, and what it means."""

COMMAND_LINE = "command line"
"""What is told of who did something by a command on the server's machine."""
ITSELF = "stenogram"
"""What is told of who did something where the service did it by itself."""


def note(
    tx: Transaction,
    caller: Caller | None,
    action: Action,
    subject: str,
    *,
    address: str = "",
    name: str = "",
    **detail: Any,
) -> None:
    """Write down what is done in this transaction. Never a secret, nor text of a recording.

    ``caller``: who does it; None: nobody known (``name`` then says who, such as ``COMMAND_LINE``). ``address`` and
    ``name`` go before those of the caller. ``detail``: JSON.
    """
    actor = caller.owner if caller is not None else None
    if caller is not None:
        name, address = name or caller.name or caller.owner or "", address or caller.address
    audit.put(tx, actor, action, subject, actor_name=name, address=address, detail=detail)


def listing(
    db: Database,
    limit: int = 100,
    before: int | None = None,
    actor: str | None = None,
    action: Action | None = None,
) -> Sequence[Entry]:
    """What was done, newest first; ``before``: id of the last entry of the page before.

    ``actor``, ``action``: only what this one did, only this.
    """
    with db.read() as connection:
        return audit.listing(connection, limit, before, actor, action)
