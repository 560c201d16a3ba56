"""COMPUTE: what a run will cost, before it is paid for.

Facts are tables with sources (``facts/``), formulas small pure functions with units in their names, and every question has a
function that returns a pydantic model: the command line's tables, ``--json`` and the console show the same one. No PyTorch.
"""
