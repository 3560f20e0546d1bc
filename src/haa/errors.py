"""The one exception that a user is meant to read."""


class InputError(ValueError):
    """Something given from outside cannot be used.

    The message is one line: it names the file, key or value, says what is wrong with it, and what to do. The command
    line prints it without a traceback.

    Example:
        >>> raise InputError("data.root=/data/osie does not exist: give the folder that holds eye/ and stimuli/")
        Traceback (most recent call last):
        haa.errors.InputError: data.root=/data/osie does not exist: give the folder that holds eye/ and stimuli/
    """
