"""What language models made of transcripts, and the lane in which jobs wait."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    op.add_column(
        "jobs",
        sa.Column("lane", sa.Text(), nullable=False, server_default="speech", comment="speech, chat: whose work it is"),
    )
    op.add_column(
        "jobs",
        sa.Column(
            "parent",
            sa.Text(),
            nullable=True,
            comment="job whose transcript it is about; they go together (store.jobs.remove)",
        ),
    )
    op.drop_index("idx_jobs_state_rank", table_name="jobs")
    op.create_index("idx_jobs_state_lane_rank", "jobs", ["state", "lane", "rank", "queued_at"])
    op.create_index("idx_jobs_parent", "jobs", ["parent"])
    op.add_column(
        "results", sa.Column("skipped", sa.Text(), nullable=True, comment="why no language model went over it")
    )
    op.create_table(
        "enhancements",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("parent", sa.Text(), nullable=False, comment="job whose transcript it is about"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=True, comment="ISO 639-1, of the text"),
        sa.Column("result", sa.LargeBinary(), nullable=False, comment="JSON, compressed"),
        sa.Column("reverted", sa.Text(), nullable=False, comment="JSON list: changes that the owner took back"),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_enhancements_job_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_enhancements")),
    )
    op.create_index("idx_enhancements_parent", "enhancements", ["parent", "created_at"])
