"""What goes wrong by no fault of this code."""


class UserError(RuntimeError):
    """For the user to mend: the message is one line that says what, where and what to do."""


class MachineError(UserError):
    """No trial's fault: what was cut off can be gone on with once the machine has what it needs."""
