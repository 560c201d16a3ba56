"""DATA: raw text in, token shards out. Needs the extra ``feilun[train]``."""
