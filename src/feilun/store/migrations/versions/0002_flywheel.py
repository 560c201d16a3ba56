"""Reviews of feedback, and which release served when."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    serial = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "reviews",
        sa.Column("seq", serial, primary_key=True),
        sa.Column("id", sa.String(40), nullable=False, unique=True),
        sa.Column(
            "feedback_id", sa.String(40), sa.ForeignKey("feedback.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("decision", sa.String(16), nullable=False),
        sa.Column("question", sa.Text),
        sa.Column("answer", sa.Text),
        sa.Column("reviewer", sa.String(256), nullable=False),
        sa.Column("turn", sa.String(80)),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
    )
    op.create_index("reviews_by_feedback", "reviews", ["feedback_id", "seq"])
    op.create_index("reviews_by_turn", "reviews", ["turn"])
    op.create_table(
        "served",
        sa.Column("seq", serial, primary_key=True),
        sa.Column("model", sa.String(256), nullable=False),
        sa.Column("release_id", sa.String(80), nullable=False),
        sa.Column("release", sa.JSON, nullable=False),
        sa.Column("reason", sa.String(16), nullable=False),
        sa.Column("turn", sa.String(80)),
        sa.Column("since_ms", sa.BigInteger, nullable=False),
    )
    op.create_index("served_by_model", "served", ["model", "seq"])


def downgrade() -> None:
    for table in ("served", "reviews"):
        op.drop_table(table)
