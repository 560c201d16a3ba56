"""DATA: raw pages and text in; clean documents and token shards out. `pii` needs no extra, the others ``feilun[data]``."""
