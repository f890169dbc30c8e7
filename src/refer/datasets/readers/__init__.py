"""One module a data set: its facts, and its raw layout turned into rows."""
