"""FLYWHEEL: from what people say of the answers to a model that answers better."""
