"""Questions in other words, one language at a time: rules, and tables of questions that mean the same."""
