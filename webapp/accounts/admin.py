"""API keys for operators: made here, shown once, then only revoked. And what users may start."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest

from webapp.accounts.models import Allowance, ApiKey
from webapp.accounts.services import create_key, revoke_key

if TYPE_CHECKING:
    KeyAdmin = admin.ModelAdmin[ApiKey]
    KeyForm = ModelForm[ApiKey]
    Allowances = admin.ModelAdmin[Allowance]
else:
    KeyAdmin = admin.ModelAdmin
    KeyForm = ModelForm
    Allowances = admin.ModelAdmin


@admin.register(ApiKey)
class ApiKeyAdmin(KeyAdmin):
    """Keys of all users. Saving a new one shows the key itself, this one time."""

    list_display = ["name", "prefix", "user", "condition", "created_at", "last_used_at", "expires_at"]
    list_filter = ["revoked_at", "user"]
    search_fields = ["name", "prefix", "user__username"]
    actions = ["revoke"]
    readonly_fields = ["prefix", "created_at", "last_used_at", "revoked_at"]

    def get_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> Any:  # noqa: ARG002
        """A new key needs a user, a name and perhaps an end and limits; the rest follows."""
        wanted = ["user", "name", "expires_at", "max_open_runs", "runs_per_minute"]
        return wanted if obj is None else [*wanted, *self.readonly_fields]

    def save_model(self, request: HttpRequest, obj: ApiKey, form: KeyForm, change: bool) -> None:  # noqa: FBT001
        """Make the key and show it, or save what was changed of it."""
        if change:
            super().save_model(request, obj, form, change)
            return
        made = create_key(
            user=obj.user,
            name=obj.name,
            expires_at=obj.expires_at,
            max_open_runs=obj.max_open_runs,
            runs_per_minute=obj.runs_per_minute,
        )
        obj.__dict__.update({k: v for k, v in made.record.__dict__.items() if k != "_state"})
        obj._state.adding = False  # noqa: SLF001 (the service has saved the row)
        messages.warning(request, f"This key is shown only now. Copy it: {made.key}")

    @admin.display(description="state", ordering="revoked_at")
    def condition(self, key: ApiKey) -> str:
        """One word."""
        if key.revoked_at is not None:
            return "revoked"
        return "in use" if key.usable else "expired"

    @admin.action(description="Revoke the chosen keys", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        """End the keys at once."""
        keys: list[Any] = list(queryset)
        for key in keys:
            revoke_key(record=key)
        messages.success(request, f"Revoked: {len(keys)}.")


@admin.register(Allowance)
class AllowanceAdmin(Allowances):
    """Users who may start more or fewer runs than the settings say."""

    list_display = ["user", "max_open_runs", "runs_per_minute"]
    search_fields = ["user__username"]
    fields = ["user", "max_open_runs", "runs_per_minute"]
