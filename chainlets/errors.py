"""Everything this package raises on purpose.

ChainletsError
├─ ChainsUsageError (is a TypeError)       the source of a chain breaks a rule; found when it is loaded
├─ MissingDependencyError (is a TypeError) something a chainlet needs was not provided: a secret, a package
├─ ChainsRuntimeError                      a thing was used in the wrong place, or cannot be had
├─ InputRejected                           the input cannot be processed; never retried, shown to the user
├─ ChainsDeploymentError                   a chain cannot be put where it was asked to be
├─ CallError                               a dependency failed: .failure says where and why
│  ├─ GenericRemoteException               its own class does not exist in this process
│  ├─ DeadlineExceeded                     its run had to end by a time and did not; never retried
│  └─ WorkerLost                           its workers died too often; never retried
├─ StreamCut (is a ValueError)             a structured stream ended in the middle; made by `chainlets.streaming`
└─ StoreUnavailable                        nothing was written; the same call may be made again
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chainlets.failure import Failure
    from chainlets.faults import Fault


class ChainletsError(Exception):
    """The root of this package's errors. `retryable` says whether a second try can help."""

    retryable = True


class ChainsUsageError(ChainletsError, TypeError):
    """The source of a chain breaks a rule.

    Attributes:
        faults: each broken rule by itself, where several were told together.
    """

    retryable = False
    faults: Sequence[Fault | str] = ()


class MissingDependencyError(ChainletsError, TypeError):
    """Something that a chainlet needs was not provided."""

    retryable = False


class ChainsRuntimeError(ChainletsError):
    """A thing was used in the wrong place, or cannot be had."""


class ChainsDeploymentError(ChainletsError):
    """A chain cannot be put where it was asked to be."""

    retryable = False


class InputRejected(ChainletsError):
    """The input cannot be processed, and would not be the next time either.

    Raise it with a sentence for the person who gave the input: it is shown as it is.
    """

    retryable = False
    status_code = 422


class CallError(ChainletsError):
    """A dependency failed.

    Attributes:
        failure: what happened there, as data; None only if it is not known.
    """

    def __init__(self, message: str, failure: Failure | None = None) -> None:
        super().__init__(message)
        self.failure = failure


class GenericRemoteException(CallError):
    """A dependency raised an exception whose class does not exist in this process."""


class WorkerLost(CallError):
    """The workers that ran this call died too often, so it was given up."""

    retryable = False


class CallCancelled(CallError):
    """The called chainlet was cancelled, by a person or because its run had ended."""

    retryable = False


class DeadlineExceeded(CallError):
    """The run had to end by a certain time, and did not."""

    retryable = False


class StoreUnavailable(ChainletsError):
    """Nothing was written; the same call may be made again."""
