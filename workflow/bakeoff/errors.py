"""The one exception that means "the user can mend this": shown as a sentence, never as a traceback."""


class UserError(Exception):
    """What was wrong, where (file, key, value) and what would be right, in a few lines."""


class Refused(UserError):
    """A result that cannot be trusted: edited, truncated, or made by another spec or other code."""
