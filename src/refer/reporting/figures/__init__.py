"""Figures, drawn with Matplotlib as PNG and SVG, and what they are drawn on."""
