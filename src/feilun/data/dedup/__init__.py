"""What a corpus holds more than once: whole documents (exact and near copies) and passages.

`sketch` and `passages.hashes` are pure and run in the workers; a `Writer` puts what they give for one shard of
documents on disk; `find` and `passages.count` join the shards, a part of the hashes at a time, so that memory does
not grow with the text.
"""

from feilun.data.dedup.minhash import Sketch, similarity, sketch
from feilun.data.dedup.near import Dropped, Duplicates, dropped, find
from feilun.data.dedup.shards import Shards, Writer

__all__ = [
    "Dropped",
    "Duplicates",
    "Shards",
    "Sketch",
    "Writer",
    "dropped",
    "find",
    "similarity",
    "sketch",
]
