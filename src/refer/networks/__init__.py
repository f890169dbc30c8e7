"""Backbones, attention blocks and heads; they know nothing of data."""
