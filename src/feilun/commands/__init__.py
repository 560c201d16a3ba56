"""The command line's verbs, one module each; `feilun.cli` strings them together."""
