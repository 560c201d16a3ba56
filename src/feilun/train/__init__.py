"""MODEL: one training loop, many objectives. Needs the extra ``feilun[train]``."""
