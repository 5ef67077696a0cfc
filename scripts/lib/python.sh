# shellcheck shell=bash
# Finds a Python of 3.11 or newer and keeps the virtual environment in .venv. Sourced, never run.

# The name or path of an interpreter that is new enough; PYTHON decides if it is set.
find_python() {
    local wanted="import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))"
    local name
    if [ -n "${PYTHON:-}" ]; then
        if "$PYTHON" -c "$wanted" >/dev/null 2>&1; then
            printf '%s\n' "$PYTHON"
            return
        fi
        fail "PYTHON is set to '$PYTHON', which is no Python of 3.11 or newer with venv. Point it to one."
    fi
    for name in python3 python python3.13 python3.12 python3.11; do
        if "$name" -c "$wanted" >/dev/null 2>&1; then
            printf '%s\n' "$name"
            return
        fi
    done
    fail "Chainlets needs Python 3.11 or newer with its venv module, and found none. Install it (on Debian: apt install python3 python3-venv), or set PYTHON to its path."
}

# One line that changes whenever the requirements given as $@ or the checkout's place change.
requirements_stamp() {
    printf '%s %s\n' "$ROOT" "$(cat "$@" | cksum)"
}

# Makes .venv if needed and installs the requirement files named in $@.
# The stamp's name comes from the last file, so that the tools of the tests do not disturb a plain start.
ensure_venv() {
    local last="${!#}"
    local stamp="$VENV/.stamp-${last##*/}"
    local now
    now="$(requirements_stamp "$@")"
    if [ -x "$VENV/bin/python" ] && [ -f "$stamp" ] && [ "$(<"$stamp")" = "$now" ]; then
        return
    fi
    (
        # Two scripts started together must not install over each other.
        if command -v flock >/dev/null; then flock 9; fi
        if [ -f "$stamp" ] && [ "$(<"$stamp")" = "$now" ]; then exit 0; fi
        if ! "$VENV/bin/python" -m pip --version >/dev/null 2>&1; then
            local python
            python="$(find_python)"
            say "Making a virtual environment in .venv with $("$python" --version 2>&1)"
            "$python" -m venv --clear "$VENV" >&2 || fail "The virtual environment in $VENV could not be made. Is there room, and may this user write there?"
        fi
        say "Installing the packages of ${last##*/}; the first time takes a few minutes"
        "$VENV/bin/python" -m pip install -qq --no-input --disable-pip-version-check --no-warn-script-location \
            "${@/#/--requirement=}" >&2 ||
            fail "The packages could not be installed. Is the network up, and is there room (about 1 GB) for $VENV?"
        printf '%s\n' "$now" >"$stamp"
    ) 9>"$ROOT/.venv.lock" || exit 1
}
