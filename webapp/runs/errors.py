"""What is refused about runs.

WebappError
├─ UnknownChain, InputInvalid and others    what is asked for is not right
├─ LimitReached          429: .retry_after seconds
│  ├─ TooManyOpenRuns
│  └─ TooManyRunsPerMinute
└─ SystemBusy            503: .retry_after seconds
"""

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


class LimitReached(WebappError):
    """You may not start another run now."""

    status = 429

    def __init__(self, detail: str, *, retry_after: int) -> None:
        """Keep the seconds after which it may be worth another try."""
        self.retry_after = retry_after
        super().__init__(detail)


class TooManyOpenRuns(LimitReached):
    """Too many runs have not ended."""

    code = "too_many_open_runs"


class TooManyRunsPerMinute(LimitReached):
    """Too many runs were started within a minute."""

    code = "too_many_runs_per_minute"


class SystemBusy(WebappError):
    """So many calls are queued that no new runs are taken at the moment. Try again in a few seconds."""

    status = 503
    code = "system_busy"
    retry_after = 5
