"""MODEL: transformer, tokenizer, adapters, and the field's file formats. Needs the extra ``feilun[train]``."""
