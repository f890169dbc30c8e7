"""A released preset: what it holds, its manifest, its archive, where each of its numbers comes from."""
