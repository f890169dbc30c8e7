"""Drawn stand-ins: parametric faces in the raw layouts of the real data sets; no real person is in them.

`expressions` says what a face does (action units), `people` whose face it is and how it is captured. `geometry` moves
the knots of one face by both, and lists its regions from back to front; `faces` fills these with colours and is the
front door, `thermal` fills them with temperatures. `scenes` are backgrounds. One module a data set (`fer2013`, `viri`,
…) writes such faces in that data set's raw layout: its `draw` is made by `common.drawer` from the reader's `Dataset`,
the fewest images, and a function that yields the archive's files.
"""
