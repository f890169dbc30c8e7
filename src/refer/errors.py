"""The one exception that is meant for a person."""


class UserError(Exception):
    """Something that the user can mend.

    The message says in one or two lines what was found, what was expected, and what to do. Entry points
    (the Snakefile, the scripts, the command line) print it without a traceback; anything else that is
    raised is a defect of this project and keeps its traceback.
    """
