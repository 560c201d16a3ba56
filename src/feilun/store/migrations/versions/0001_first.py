"""Conversations, messages, feedback."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "conversations",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("owner", sa.String(256), nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("pinned", sa.Boolean, nullable=False),
        sa.Column("leaf_id", sa.String(40)),
        sa.Column("settings", sa.JSON, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("updated_ms", sa.BigInteger, nullable=False),
        sa.Column("deleted_ms", sa.BigInteger),
    )
    op.create_index("conversations_by_owner", "conversations", ["owner", "updated_ms", "id"])
    op.create_table(
        "messages",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column(
            "conversation_id",
            sa.String(40),
            sa.ForeignKey("conversations.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("parent_id", sa.String(40)),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("extra", sa.JSON, nullable=False),
        sa.Column("path_hash", sa.String(64), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("finish_reason", sa.String(32)),
        sa.Column("model", sa.String(256)),
        sa.Column("release", sa.String(80)),
        sa.Column("params", sa.JSON, nullable=False),
        sa.Column("usage", sa.JSON),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
    )
    op.create_index("messages_by_conversation", "messages", ["conversation_id", "created_ms"])
    op.create_index("messages_by_path", "messages", ["path_hash"])
    unfinished = sa.text("status = 'generating'")
    op.create_index(
        "messages_unfinished", "messages", ["status"], sqlite_where=unfinished, postgresql_where=unfinished
    )
    op.create_table(
        "feedback",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("id", sa.String(40), nullable=False, unique=True),
        sa.Column(
            "message_id", sa.String(40), sa.ForeignKey("messages.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("owner", sa.String(256), nullable=False),
        sa.Column("rating", sa.Integer),
        sa.Column("tags", sa.JSON, nullable=False),
        sa.Column("comment", sa.Text),
        sa.Column("correction", sa.Text),
        sa.Column("idempotency_key", sa.String(256)),
        sa.Column("request_hash", sa.String(64)),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("owner", "idempotency_key", name="feedback_idempotency"),
    )
    op.create_index("feedback_by_message", "feedback", ["message_id", "owner", "seq"])


def downgrade() -> None:
    for table in ("feedback", "messages", "conversations"):
        op.drop_table(table)
