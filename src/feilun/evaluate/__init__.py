"""Tasks, graders and baselines: how good a model is."""
