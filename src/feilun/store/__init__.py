"""What users did and said, in SQL: conversations as trees of messages, and the opinions of the answers.

`Store` is the whole surface; its parts live in one module each. SQLite is the embedded default,
PostgreSQL comes by URL: only `database` knows the difference.
"""

from feilun.store.database import Store
from feilun.store.tables import LOCAL_OWNER, Status

__all__ = ["LOCAL_OWNER", "Status", "Store"]
