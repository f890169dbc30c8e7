"""Drawn stand-ins: parametric faces in the raw layouts of the real data sets; no real person is in them.

`expressions` says what a face does (action units), `people` whose face it is, `captures` how it is seen;
`geometry` turns the three into named curves, `painting` turns the curves into pixels, and `faces` is the front
door; `landmarks` are its 68 points. `warmth` says who is warm where, `thermal` paints it, and `cameras` sees one
moment in both lights. `scenes` are backgrounds. One module a data set (`fer2013`, `viri`, …) writes such faces in
that data set's raw layout, with what `common` and `packing` hold for all.
"""
