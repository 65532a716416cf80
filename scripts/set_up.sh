#!/bin/sh
# Makes .venv with exactly what uv.lock names. Does nothing where that is done already.
set -eu
cd "$(dirname "$0")/.."

UV="uv>=0.13.9,<0.14"
done_for="$(pwd) $(cat uv.lock pyproject.toml scripts/set_up.sh | cksum)"
if [ "$(cat .venv/ready 2>/dev/null)" = "$done_for" ] && .venv/bin/python -c '' 2>/dev/null; then
    exit 0
fi

refuse() {
    echo "$*" >&2
    exit 1
}

new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

python=""
for name in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11 python; do
    if new_enough "$name"; then
        python=$name
        break
    fi
done
[ -n "$python" ] || refuse "Python 3.11 or newer is missing. Install it (Debian and Ubuntu: apt-get install python3 python3-venv), or name it: PYTHON=/path/to/python3 make …"

has_venv() {
    "$python" -c 'import ensurepip, venv' >/dev/null 2>&1
}

if ! has_venv; then
    # Debian parts Python from its venv module.
    package="$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "Installing $package …"
        { apt-get install -y -qq "$package" || { apt-get update -qq && apt-get install -y -qq "$package"; }; } \
            >/dev/null 2>&1 || true
    fi
    has_venv || refuse "$python has no venv module. Install it (Debian and Ubuntu: apt-get install $package), then repeat."
fi

rm -f .venv/ready
if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    echo "Making .venv with $("$python" --version) …"
    "$python" -m venv --clear .venv
fi
echo "Installing what uv.lock names …"
# pip reads this machine's own index settings, and so does uv its own.
.venv/bin/python -m pip install --quiet --disable-pip-version-check "$UV" ||
    refuse "uv cannot be installed. Is the package index reachable? (pip config list shows which one it is)"
# Trust whom this machine trusts, as pip does: an index may be a proxy with a certificate of its own.
export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-true}"
UV_PROJECT_ENVIRONMENT=.venv .venv/bin/uv sync --frozen --quiet ||
    refuse "The packages of uv.lock cannot be installed; what uv said stands above."
printf '%s' "$done_for" > .venv/ready
