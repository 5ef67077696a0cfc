# shellcheck shell=bash
# Builds the pages in frontend/ when they are missing or older than their sources. Sourced, never run.

# One line that changes when a source of the pages changes.
frontend_stamp() {
    (
        cd "$ROOT/frontend" || exit 1
        find . \( -name node_modules -o -name dist -o -name test-results \) -prune -o -type f -print0 |
            LC_ALL=C sort -z | xargs -0 cksum | cksum
    )
}

# Puts a Node.js of 20.19 or newer on PATH: the installed one, or one from a wheel in .venv.
ensure_node() {
    local enough='const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 22 || (a === 22 && b >= 12) || (a === 20 && b >= 19) ? 0 : 1)'
    if command -v npm >/dev/null && node -e "$enough" >/dev/null 2>&1; then return; fi
    ensure_venv "$ROOT/requirements-node.txt"
    PATH="$VENV/bin:$PATH"
}

# Installs the packages that the pages are built and checked with.
ensure_node_modules() {
    local stamp="$ROOT/frontend/node_modules/.stamp"
    local now
    ensure_node
    now="$(cksum <"$ROOT/frontend/package-lock.json")"
    if [ -f "$stamp" ] && [ "$(<"$stamp")" = "$now" ]; then return; fi
    say "Installing the packages of the web pages"
    quietly npm --prefix "$ROOT/frontend" ci --no-audit --no-fund --no-update-notifier --loglevel=error ||
        fail "The packages of the web pages could not be installed; the reason is above. Is the network up?"
    printf '%s\n' "$now" >"$stamp"
}

# Builds the pages into frontend/dist unless they are up to date.
ensure_frontend() {
    local stamp="$ROOT/frontend/dist/.stamp"
    local now
    [ -f "$ROOT/frontend/package.json" ] || return 0
    now="$(frontend_stamp)"
    if [ -f "$stamp" ] && [ "$(<"$stamp")" = "$now" ]; then return; fi
    ensure_node_modules
    say "Building the web pages"
    quietly npm --prefix "$ROOT/frontend" run --silent build ||
        fail "The web pages could not be built; the reason is above."
    printf '%s\n' "$now" >"$stamp"
}
