"""The loop, batched augmentation, losses, schedules and checkpoints."""
