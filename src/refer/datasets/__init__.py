"""From raw archives to audited splits: everything left of training, and none of it imports torch."""
