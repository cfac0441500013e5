"""The one exception a user is meant to see."""


class UserError(Exception):
    """Something the user can mend. The message is one clear sentence: what was expected, what came, what to do.

    The command line prints it without a traceback and exits with `exit_code`.
    """

    exit_code = 2
