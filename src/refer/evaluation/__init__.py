"""From checkpoints to predictions (the only module here that needs torch), and from predictions to scores."""
