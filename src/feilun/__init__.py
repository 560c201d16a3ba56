"""Feilun (飞轮, "flywheel"): your own ChatGPT that gets better as it is used."""

__version__ = "0.1.0"
