"""Fixtures of the SDK's tests."""

from tests.unit.sdk.asset_site import own_environment, site
from tests.unit.sdk.remote_service import no_pauses, service

__all__ = ["no_pauses", "own_environment", "service", "site"]
