"""The one error a person can mend."""


class InputError(ValueError):
    """Say in one full sentence what is wrong with what a person gave, and what to do.

    Anything else that is raised is a bug and shows as one.

    Args:
        message: the sentence, in English.
        key: stable name under which a front end finds the sentence in another language.
        **values: numbers and names that the sentence mentions.
    """

    def __init__(self, message, *, key=None, **values):
        super().__init__(message)
        self.key = key
        self.values = values


def reason(error):
    """Say why something could not be fetched. Args: error: of `urllib`, or of who checks what came."""
    cause = getattr(error, "reason", error)
    return getattr(cause, "strerror", None) or str(cause)


def unknown(kind, name, known):
    """Build the `InputError` for a name that is in no table, listing the known ones."""
    listed = ", ".join(sorted(known))
    return InputError(f"There is no {kind} named {name!r}; the known ones are {listed}.", key="unknown", kind=kind, name=name, known=listed)
