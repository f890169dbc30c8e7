"""From scores to tables, figures and the report, without torch and without data.

Here is what they rest on (`evidence`, `results`, `protocols`, `ranking`, …) and the front page (`page`, `chapters`,
`front`); `tables` and `figures` write and draw it.
"""
