"""What is refused about runs."""

from webapp.errors import WebappError


class UnknownChain(WebappError):
    """There is no chain of this name. GET /api/chains lists those there are."""

    status = 404
    code = "unknown_chain"


class InputInvalid(WebappError):
    """The input does not fit what the chain takes; `errors` says where."""

    status = 422
    code = "input_invalid"


class IdempotencyConflict(WebappError):
    """This Idempotency-Key was used for another request. Take a new key, or send the same request."""

    status = 422
    code = "idempotency_conflict"


class RunAlreadyFinal(WebappError):
    """The run has ended, so there is nothing left to cancel."""

    status = 409
    code = "run_already_final"


class RunNotResumable(WebappError):
    """Only a failed or cancelled run whose chain still exists can be resumed."""

    status = 409
    code = "run_not_resumable"


class RunNotRepeatable(WebappError):
    """Only a run that has ended, and whose chain still exists, can be run again."""

    status = 409
    code = "run_not_repeatable"


class ChainNotStreaming(WebappError):
    """The chain gives one value, not a stream."""

    status = 409
    code = "chain_not_streaming"


class PriorityRefused(WebappError):
    """Only staff may start runs of high priority. Ask for `normal` or `low`."""

    status = 403
    code = "priority_refused"
