"""Colours and markers of all figures.

The colours are Okabe and Ito's, which colour-blind readers can tell apart, and never the only sign.
"""

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
INK, SOFT, LINE, WARN = "#1b1f24", "#5b6570", "#d5dae0", "#8a5a00"
