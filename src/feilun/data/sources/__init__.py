"""Readers: files of all kinds to raw pages, each with what its container says of it."""

from feilun.data.sources.files import Split
from feilun.data.sources.raw import Failed, Kind, Raw, Reason
from feilun.data.sources.reader import SUFFIXES, UNIT, read_raw, read_split, splits

__all__ = ["SUFFIXES", "UNIT", "Failed", "Kind", "Raw", "Reason", "Split", "read_raw", "read_split", "splits"]
