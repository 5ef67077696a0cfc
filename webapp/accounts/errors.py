"""What the accounts app refuses.

WebappError
├─ LoginRefused     401: name and password do not belong together
└─ LoginThrottled   429: .retry_after seconds
"""

from webapp.errors import WebappError


class LoginRefused(WebappError):
    """The user name or the password is wrong. Check both and try again."""

    status = 401
    code = "login_refused"


class LoginThrottled(WebappError):
    """Too many failed logins. Wait a few minutes and try again."""

    status = 429
    code = "login_throttled"

    def __init__(self, *, retry_after: int) -> None:
        """Keep the seconds to wait."""
        self.retry_after = retry_after
        super().__init__(f"Too many failed logins. Try again in {-(-retry_after // 60)} minutes.")
