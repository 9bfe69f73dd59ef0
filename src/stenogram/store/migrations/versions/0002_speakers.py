"""Known voices, and what the owner of a job calls its speakers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    op.create_table(
        "speakers",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False, comment="empty: nobody in particular"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_speakers")),
        sa.UniqueConstraint("owner", "name", name=op.f("uq_speakers_owner")),
    )
    op.create_table(
        "speaker_voices",
        sa.Column("speaker_id", sa.Text(), nullable=False),
        sa.Column("sample", sa.Text(), nullable=False, comment="SHA-256 of the recording it was heard in"),
        sa.Column("voice", sa.LargeBinary(), nullable=False, comment="float32, little-endian"),
        sa.Column("network", sa.Text(), nullable=False, comment="version of what made it: others are not comparable"),
        sa.Column("heard_s", sa.Float(), nullable=False, comment="speech it was made from"),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["speaker_id"], ["speakers.id"], name=op.f("fk_speaker_voices_speaker_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("speaker_id", "sample", name=op.f("pk_speaker_voices")),
    )
    op.add_column(
        "results",
        sa.Column(
            "names",
            sa.Text(),
            nullable=True,
            comment="JSON: label of a speaker -> what the owner of the job calls them",
        ),
    )
