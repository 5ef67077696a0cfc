"""Everything the web application refuses on purpose.

WebappError                 .status .code .detail .errors
├─ NotFound                 404, also for what belongs to somebody else
├─ files.errors.FileRejected and others
├─ accounts.errors.LoginRefused and others
└─ runs.errors: unknown chains, unfit input, runs in the wrong state, limits
"""

from collections.abc import Mapping, Sequence

FieldErrors = Mapping[str, Sequence[str]]


class WebappError(Exception):
    """This request cannot be carried out."""

    status: int = 400
    code: str = "bad_request"

    def __init__(self, detail: str | None = None, *, errors: FieldErrors | None = None) -> None:
        """Keep what the caller is told: `detail` says what is so and what to do, `errors` says it by field."""
        self.detail = detail or (type(self).__doc__ or "").strip().partition("\n")[0]
        self.errors: dict[str, list[str]] = {field: list(texts) for field, texts in (errors or {}).items()}
        super().__init__(self.detail)


class NotFound(WebappError):
    """There is nothing here under this id, or it belongs to somebody else."""

    status = 404
    code = "not_found"
