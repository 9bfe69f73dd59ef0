"""Users, their sessions and what they do; the owner's title, tags, trash, versions of a transcript, and shares."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    _accounts()
    _library()


def _accounts() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False, comment="in the form in which it is compared"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("password", sa.Text(), nullable=False, comment="argon2id, with its parameters"),
        sa.Column("role", sa.Text(), nullable=False, comment="admin, user"),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False, comment="JSON: what the page remembers for them"),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("password_at", sa.Float(), nullable=False, comment="when the password was last set"),
        sa.Column("must_change", sa.Boolean(), nullable=False, comment="somebody else set the password"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
    )
    op.create_index("idx_email", "users", ["email"], unique=True)
    op.create_index("idx_is_active", "users", ["is_active"])
    op.create_table(
        "sessions",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False, comment="SHA-256, hex"),
        sa.Column("user_id", sa.Text(), nullable=True),
        sa.Column("key_id", sa.Text(), nullable=True, comment="where a key signed in, not a user"),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.Column("seen_at", sa.Float(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False, comment="the browser, in its own words"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sessions_user_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name=op.f("fk_sessions_key_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
    )
    op.create_index("idx_sessions_token_hash", "sessions", ["token_hash"], unique=True)
    op.create_index("idx_sessions_user_id", "sessions", ["user_id"])
    op.create_index("idx_expires_at", "sessions", ["expires_at"])
    op.create_table(
        "sign_in_failures",
        sa.Column("subject", sa.Text(), nullable=False, comment="a hash of the account, the address, or both"),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_sign_in_failures")),
    )
    op.create_index("idx_sign_in_failures_last_at", "sign_in_failures", ["last_at"])
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "audit",
        sa.Column("id", number, autoincrement=True, nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=True, comment="owner who did it; absent: nobody known"),
        sa.Column("actor_name", sa.Text(), nullable=False, comment="as they were called then"),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False, comment="id of what it was done to"),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False, comment="JSON"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index("idx_audit_at", "audit", ["at"])
    op.create_index("idx_audit_actor", "audit", ["actor", "at"])


def _library() -> None:
    op.add_column(
        "jobs",
        sa.Column("title", sa.Text(), nullable=True, comment="what the owner calls it; absent: the file's name"),
    )
    op.add_column(
        "jobs",
        sa.Column(
            "deleted_at",
            sa.Float(),
            nullable=True,
            comment="when the owner put it into the trash, from which it can come back",
        ),
    )
    op.create_index("idx_jobs_deleted_at", "jobs", ["deleted_at"])
    op.create_table(
        "tags",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_tags_job_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "tag", name=op.f("pk_tags")),
    )
    op.create_index("idx_tags_tag", "tags", ["tag"])
    op.create_table(
        "transcript_versions",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column(
            "number", sa.Integer(), autoincrement=False, nullable=False, comment="from 1; what was found is version 0"
        ),
        sa.Column("author", sa.Text(), nullable=True, comment="user who made it; absent: nobody in particular"),
        sa.Column("created_at", sa.Float(), nullable=False, comment="of the first of the changes that it gathers"),
        sa.Column("saved_at", sa.Float(), nullable=False),
        sa.Column("changes", sa.Integer(), nullable=False, comment="how many were saved into it"),
        sa.Column("restored", sa.Integer(), nullable=True, comment="the earlier version that it is the same as"),
        sa.Column("transcript", sa.LargeBinary(), nullable=False, comment="JSON, compressed; speakers by their labels"),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_transcript_versions_job_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "number", name=op.f("pk_transcript_versions")),
    )
    op.create_table(
        "shares",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False, comment="SHA-256, hex"),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("media", sa.Boolean(), nullable=False, comment="whether the recording may be heard, too"),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.Column("revoked_at", sa.Float(), nullable=True),
        sa.Column("opened_at", sa.Float(), nullable=True, comment="when somebody last followed it, to the hour"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_shares_job_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shares")),
    )
    op.create_index("idx_shares_token_hash", "shares", ["token_hash"], unique=True)
    op.create_index("idx_shares_job_id", "shares", ["job_id"])
