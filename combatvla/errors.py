"""The one exception a user is meant to see, and how it quotes another."""


class UserError(Exception):
    """Something the user can mend. The message is one clear sentence: what was expected, what came, what to do.

    The command line prints it without a traceback and exits with `exit_code`.
    """

    exit_code = 2


def reason(error: Exception) -> str:
    """What `error` says, on one line; of several findings of pydantic the first, with its place."""
    if callable(findings := getattr(error, "errors", None)):
        first = findings()[0]
        place, said = ".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, ")
        if first["type"] in ("literal_error", "enum") or first["type"].endswith(("_parsing", "_type")):
            said += f", got {_short(first['input'])}"
        return f"{place}: {said}" if place else said
    return " ".join(str(error).split()) or type(error).__name__


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
