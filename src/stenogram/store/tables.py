"""Every table of ours, on SQLite and PostgreSQL alike. ``migrations`` leads from an older shape to this one.

Times are Unix seconds as float, ids are text, JSON is text written by us.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "idx_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_Number = BigInteger().with_variant(Integer, "sqlite")  # only INTEGER counts up by itself on SQLite


def _of_job() -> Column[str]:
    return Column("job_id", Text, ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False)


jobs = Table(
    "jobs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("lane", Text, nullable=False, server_default="speech", comment="speech, chat: whose work it is"),
    Column("parent", Text, comment="job whose transcript it is about; they go together (store.jobs.remove)"),
    Column("state", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("owner", Text),
    Column("priority", Integer, nullable=False),
    Column("rank", BigInteger, nullable=False, comment="higher goes first; from priority and fair share"),
    Column("model", Text, nullable=False),
    Column("language", Text),
    Column("options", Text, nullable=False, comment="JSON"),
    Column("media_url", Text),
    Column("media_digest", Text),
    Column("media_bytes", BigInteger),
    Column("filename", Text),
    Column("delete_media", Boolean, nullable=False),
    Column("duration", Float),
    Column("attempt", Integer, nullable=False),
    Column("crashes", Integer, nullable=False),
    Column("worker_id", Text),
    Column("stage", Text),
    Column("progress", Float, nullable=False),
    Column("advanced", Boolean, nullable=False, comment="this attempt finished what none had before"),
    Column("created_at", Float, nullable=False),
    Column("queued_at", Float, nullable=False, comment="when it last began to wait"),
    Column("started_at", Float),
    Column("finished_at", Float),
    Column("error_code", Text),
    Column("error", Text),
    Column("callback_url", Text),
    Column("batch", Text),
    Column("dedupe_key", Text, comment="equal for jobs that must have equal results"),
    Column("cancel_requested", Boolean, nullable=False),
    Column("cached", Boolean, nullable=False),
    Column("token_count", Integer),
    Column("gpu", Text, comment="JSON"),
    Column("title", Text, comment="what the owner calls it; absent: the file's name"),
    Column("deleted_at", Float, comment="when the owner put it into the trash, from which it can come back"),
    Index("idx_jobs_state_lane_rank", "state", "lane", "rank", "queued_at"),
    Index("idx_jobs_parent", "parent"),
    Index("idx_jobs_dedupe_key", "dedupe_key"),
    Index("idx_jobs_owner", "owner", "created_at"),
    Index("idx_jobs_created_at", "created_at"),
    Index("idx_jobs_worker_id", "worker_id"),
    Index("idx_jobs_batch", "batch"),
    Index("idx_jobs_deleted_at", "deleted_at"),
)

tags = Table(
    "tags",
    metadata,
    Column("job_id", Text, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("tag", Text, primary_key=True),
    Index("idx_tags_tag", "tag"),
)

results = Table(
    "results",
    metadata,
    Column("job_id", Text, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("transcript", LargeBinary, nullable=False, comment="JSON, compressed"),
    Column("names", Text, comment="JSON: label of a speaker -> what the owner of the job calls them"),
    Column("skipped", Text, comment="why no language model went over it"),
)

search_documents = Table(
    "search_documents",
    metadata,
    Column("id", _Number, primary_key=True, autoincrement=True),
    Column("job_id", Text, ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
    Column("model", Text, comment="that the transcript is of"),
    Column("language", Text, comment="that was spoken, ISO 639-1"),
    Column("speakers", Text, comment="JSON list: labels of those who speak"),
    Column("name", Text, nullable=False, comment="words of title and file name, each with a space on both sides"),
    Column("body", Text, nullable=False, comment="words of the current text, likewise"),
    Column("segments", LargeBinary, comment="where each begins in body; ids, starts, texts: MessagePack"),
    UniqueConstraint("job_id"),
    comment="what is searched: a row for each job that transcribes; migration 0006 has the indexes of words",
)

transcript_versions = Table(
    "transcript_versions",
    metadata,
    Column("job_id", Text, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False, comment="from 1; what was found is version 0"),
    Column("author", Text, comment="user who made it; absent: nobody in particular"),
    Column("created_at", Float, nullable=False, comment="of the first of the changes that it gathers"),
    Column("saved_at", Float, nullable=False),
    Column("changes", Integer, nullable=False, comment="how many were saved into it"),
    Column("restored", Integer, comment="the earlier version that it is the same as"),
    Column("transcript", LargeBinary, nullable=False, comment="JSON, compressed; speakers by their labels"),
)

shares = Table(
    "shares",
    metadata,
    Column("id", Text, primary_key=True),
    Column("token_hash", Text, nullable=False, comment="SHA-256, hex"),
    _of_job(),
    Column("owner", Text),
    Column("media", Boolean, nullable=False, comment="whether the recording may be heard, too"),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("revoked_at", Float),
    Column("opened_at", Float, comment="when somebody last followed it, to the hour"),
    Index("idx_shares_token_hash", "token_hash", unique=True),
    Index("idx_shares_job_id", "job_id"),
)

enhancements = Table(
    "enhancements",
    metadata,
    Column("job_id", Text, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("parent", Text, nullable=False, comment="job whose transcript it is about"),
    Column("kind", Text, nullable=False),
    Column("language", Text, comment="ISO 639-1, of the text"),
    Column("result", LargeBinary, nullable=False, comment="JSON, compressed"),
    Column("reverted", Text, nullable=False, comment="JSON list: changes that the owner took back"),
    Column("created_at", Float, nullable=False),
    Index("idx_enhancements_parent", "parent", "created_at"),
)

speakers = Table(
    "speakers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("owner", Text, nullable=False, comment="empty: nobody in particular"),
    Column("name", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    UniqueConstraint("owner", "name"),
)

speaker_voices = Table(
    "speaker_voices",
    metadata,
    Column("speaker_id", Text, ForeignKey("speakers.id", ondelete="CASCADE"), primary_key=True),
    Column("sample", Text, primary_key=True, comment="SHA-256 of the recording it was heard in"),
    Column("voice", LargeBinary, nullable=False, comment="float32, little-endian"),
    Column("network", Text, nullable=False, comment="version of what made it: others are not comparable"),
    Column("heard_s", Float, nullable=False, comment="speech it was made from"),
    Column("created_at", Float, nullable=False),
)

job_voices = Table(
    "job_voices",
    metadata,
    Column("job_id", Text, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("place", Integer, primary_key=True, autoincrement=False, comment="in the order of the request, from 0"),
    Column("name", Text, nullable=False, comment="of the known speaker"),
    Column("sha256", Text, nullable=False),
    Column("sound", LargeBinary, nullable=False, comment="a few seconds of a recording, as they were sent"),
)

job_events = Table(
    "job_events",
    metadata,
    Column("job_id", Text, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("attempt", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("payload", Text, nullable=False, comment="JSON"),
    Column("at", Float, nullable=False),
)

workers = Table(
    "workers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("device", Text, nullable=False, comment="cpu, cuda:0 ..."),
    Column("state", Text, nullable=False, comment="starting, idle, busy, lost, stopped"),
    Column("fault", Text, comment="why it cannot work"),
    Column("job_id", Text),
    Column("model", Text),
    Column("loaded", Text, nullable=False, comment="JSON list of the models in memory"),
    Column("memory_bytes", BigInteger, nullable=False),
    Column("gpu", Text, comment="JSON: what the driver says of its GPU"),
    Column("totals", Text, nullable=False, comment="JSON: what it has done since its start, for /metrics"),
    Column("started_at", Float, nullable=False),
    Column("heartbeat_at", Float, nullable=False),
)

controls = Table(
    "controls",
    metadata,
    Column("id", _Number, primary_key=True, autoincrement=True),
    Column("worker_id", Text, nullable=False),
    Column("command", Text, nullable=False, comment="load, unload"),
    Column("argument", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("done_at", Float),
    Column("error", Text),
    Index("idx_controls_worker_id", "worker_id", "done_at"),
)

callbacks = Table(
    "callbacks",
    metadata,
    Column("id", Text, primary_key=True, comment="the webhook-id"),
    _of_job(),
    Column("url", Text, nullable=False),
    Column("host", Text, nullable=False, comment="and port; only so many are sent to one at once"),
    Column("body", LargeBinary, nullable=False, comment="the same bytes on every try"),
    Column("state", Text, nullable=False, comment="pending, delivered, failed, disabled"),
    Column("attempts", Integer, nullable=False),
    Column("next_at", Float, nullable=False),
    Column("claimed_until", Float, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("delivered_at_ms", BigInteger),
    Column("error", Text),
    Index("idx_callbacks_state_next_at", "state", "next_at"),
    UniqueConstraint("job_id"),
)

callback_attempts = Table(
    "callback_attempts",
    metadata,
    Column("id", _Number, primary_key=True, autoincrement=True),
    Column("callback_id", Text, ForeignKey("callbacks.id", ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("at", Float, nullable=False),
    Column("duration_s", Float, nullable=False),
    Column("status", Integer, comment="of HTTP; absent where there was no answer"),
    Column("error", Text),
    Index("idx_callback_attempts_callback_id", "callback_id"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("prefix", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("scopes", Text, nullable=False, comment="JSON list"),
    Column("priority", Integer, nullable=False),
    Column("requests_per_minute", Integer),
    Column("max_concurrent", Integer),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float),
    Column("last_used_at", Float),
    Column("revoked_at", Float),
    Index("idx_api_keys_prefix", "prefix", unique=True),
)

users = Table(
    "users",
    metadata,
    Column("id", Text, primary_key=True),
    Column("email", Text, nullable=False, comment="in the form in which it is compared"),
    Column("name", Text, nullable=False),
    Column("password", Text, nullable=False, comment="argon2id, with its parameters"),
    Column("role", Text, nullable=False, comment="admin, user"),
    Column("is_active", Boolean, nullable=False),
    Column("settings", Text, nullable=False, comment="JSON: what the page remembers for them"),
    Column("created_at", Float, nullable=False),
    Column("password_at", Float, nullable=False, comment="when the password was last set"),
    Column("must_change", Boolean, nullable=False, comment="somebody else set the password"),
    Index("idx_email", "email", unique=True),  # R31 names these indexes
    Index("idx_is_active", "is_active"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("token_hash", Text, nullable=False, comment="SHA-256, hex"),
    Column("user_id", Text, ForeignKey("users.id", ondelete="CASCADE")),
    Column("key_id", Text, ForeignKey("api_keys.id", ondelete="CASCADE"), comment="where a key signed in, not a user"),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("seen_at", Float, nullable=False),
    Column("address", Text, nullable=False),
    Column("agent", Text, nullable=False, comment="the browser, in its own words"),
    Index("idx_sessions_token_hash", "token_hash", unique=True),
    Index("idx_sessions_user_id", "user_id"),
    Index("idx_expires_at", "expires_at"),
)

sign_in_failures = Table(
    "sign_in_failures",
    metadata,
    Column("subject", Text, primary_key=True, comment="a hash of the account, the address, or both"),
    Column("failures", Integer, nullable=False),
    Column("last_at", Float, nullable=False),
    Index("idx_sign_in_failures_last_at", "last_at"),
)

audit = Table(
    "audit",
    metadata,
    Column("id", _Number, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False),
    Column("actor", Text, comment="owner who did it; absent: nobody known"),
    Column("actor_name", Text, nullable=False, comment="as they were called then"),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False, comment="id of what it was done to"),
    Column("address", Text, nullable=False),
    Column("detail", Text, nullable=False, comment="JSON"),
    Index("idx_audit_at", "at"),
    Index("idx_audit_actor", "actor", "at"),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("owner", Text, primary_key=True, comment="empty: nobody in particular"),
    Column("key", Text, primary_key=True),
    Column("fingerprint", Text, nullable=False, comment="of the request, so that another one cannot use the key"),
    Column("job_ids", Text, nullable=False, comment="JSON list"),
    Column("created_at", Float, nullable=False),
    Index("idx_idempotency_created_at", "created_at"),
)

downloads = Table(
    "downloads",
    metadata,
    Column("model", Text, primary_key=True),
    Column("host", Text, primary_key=True),
    Column("state", Text, nullable=False, comment="absent, downloading, installed, failed"),
    Column("bytes_done", BigInteger, nullable=False),
    Column("bytes_total", BigInteger),
    Column("error", Text),
    Column("updated_at", Float, nullable=False),
)

listeners = Table(
    "listeners",
    metadata,
    Column("port", Integer, primary_key=True, autoincrement=False, comment="of UDP, on this machine"),
    Column("seen_at", Float, nullable=False),
    comment="who wants to be woken; SQLite only, PostgreSQL has LISTEN",
)
