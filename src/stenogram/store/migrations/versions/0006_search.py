"""What is searched, and the index of its words: FTS5 on SQLite, a tsvector with GIN on PostgreSQL.

The words come folded and parted (``store.words``), so neither database folds or parts them its own way, and both find
the same. What was there before is put in by the server while it runs (``store.search.catch_up``).
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# The words stand in ``search_documents`` alone; the index says which rows and where in them. Triggers keep it, also
# where a row goes because its job goes.
_PUT = "INSERT INTO search_index (rowid, name, body) VALUES (new.id, new.name, new.body);"
_TAKE = "INSERT INTO search_index (search_index, rowid, name, body) VALUES ('delete', old.id, old.name, old.body);"
# FTS5 only marks as deleted what goes, so it is noted that words are left (``store.search.settle``). Its own
# "secure-delete" would overwrite them at once, but damages an index that has prefixes (seen with SQLite 3.54).
_NOTE = "INSERT OR IGNORE INTO search_leftovers (id) VALUES (1);"
_TABLE = "name, body, content='search_documents', content_rowid='id', tokenize='ascii', columnsize=0, prefix='1 2'"
_SQLITE = (
    "CREATE TABLE search_leftovers (id INTEGER PRIMARY KEY)",
    f"CREATE VIRTUAL TABLE search_index USING fts5 ({_TABLE})",
    f"CREATE TRIGGER search_put AFTER INSERT ON search_documents BEGIN {_PUT} END",
    f"CREATE TRIGGER search_take AFTER DELETE ON search_documents BEGIN {_TAKE} {_NOTE} END",
    f"CREATE TRIGGER search_change AFTER UPDATE OF name, body ON search_documents BEGIN {_TAKE} {_PUT} END",
)
_WORDS = "array_to_tsvector(array_remove(string_to_array(name || body, ' '), ''))"
_POSTGRESQL = (
    f"ALTER TABLE search_documents ADD COLUMN words tsvector GENERATED ALWAYS AS ({_WORDS}) STORED",
    "CREATE INDEX idx_search_documents_words ON search_documents USING gin (words)",
)


def upgrade() -> None:
    """Take the step."""
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "search_documents",
        sa.Column("id", number, autoincrement=True, nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=True, comment="that the transcript is of"),
        sa.Column("language", sa.Text(), nullable=True, comment="that was spoken, ISO 639-1"),
        sa.Column("speakers", sa.Text(), nullable=True, comment="JSON list: labels of those who speak"),
        sa.Column(
            "name",
            sa.Text(),
            nullable=False,
            comment="words of title and file name, each with a space on both sides",
        ),
        sa.Column("body", sa.Text(), nullable=False, comment="words of the current text, likewise"),
        sa.Column(
            "segments",
            sa.LargeBinary(),
            nullable=True,
            comment="where each begins in body; ids, starts, texts: MessagePack",
        ),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_search_documents_job_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_search_documents")),
        sa.UniqueConstraint("job_id", name=op.f("uq_search_documents_job_id")),
        comment="what is searched: a row for each job that transcribes; migration 0006 has the indexes of words",
    )
    for statement in _SQLITE if op.get_bind().dialect.name == "sqlite" else _POSTGRESQL:
        op.execute(statement)
