"""Reference recordings of the known speakers of a job."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    op.create_table(
        "job_voices",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column(
            "place", sa.Integer(), autoincrement=False, nullable=False, comment="in the order of the request, from 0"
        ),
        sa.Column("name", sa.Text(), nullable=False, comment="of the known speaker"),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("sound", sa.LargeBinary(), nullable=False, comment="a few seconds of a recording, as they were sent"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_job_voices_job_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "place", name=op.f("pk_job_voices")),
    )
