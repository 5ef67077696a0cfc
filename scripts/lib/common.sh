# shellcheck shell=bash
# What every script shares: where the checkout is, and how to speak. Sourced, never run.
# Everything said goes to standard error: standard output belongs to the transcript of `scripts/run --once`.

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)"
VENV="$ROOT/.venv"
export PYTHONUTF8=1 PYTHONUNBUFFERED=1 PIP_DISABLE_PIP_VERSION_CHECK=1
unset PYTHONHOME PYTHONPATH VIRTUAL_ENV

say() {
    printf 'chainlets: %s\n' "$*" >&2
}

fail() {
    say "$*"
    exit 1
}

# Runs a command and shows what it said only if it failed.
quietly() {
    local said
    if ! said="$("$@" 2>&1)"; then
        printf '%s\n' "$said" >&2
        return 1
    fi
}

# shellcheck source=scripts/lib/python.sh
. "$ROOT/scripts/lib/python.sh"
# shellcheck source=scripts/lib/frontend.sh
. "$ROOT/scripts/lib/frontend.sh"
