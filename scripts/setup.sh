#!/usr/bin/env bash
# Makes .venv ready: Python 3.11 or newer, torch for this machine, the packages of constraints.txt, and combatvla itself.
#   scripts/setup.sh            the Python environment
#   scripts/setup.sh display    Xvfb and openbox, where there is no display (`display always`: even where there is one)
#   scripts/setup.sh flare      Flare, the open-source game of `make flare` (163 MB)
#   scripts/setup.sh browser    Chromium and its driver, for the tests of web pages; where they cannot be had, these are skipped
# Safe to run again at any time. As root on Debian or Ubuntu it installs missing system packages; otherwise it asks for them.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '==> %s\n' "$*" >&2; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# apt PACKAGE…: installs them as root, or says which command to give.
apt() {
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        fail "$1 is missing on this machine; install it and run this again, on Debian or Ubuntu with: sudo apt-get install --no-install-recommends $*"
    fi
    say "installing system packages: $*"
    local log
    log=$(mktemp)
    if ! { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"; } >"$log" 2>&1 </dev/null; then
        tail -20 "$log" >&2
        fail "apt-get could not install $*; its last lines stand above, the rest in $log"
    fi
    rm -f "$log"
}

find_python() {
    local name
    for name in ${PYTHON:-python3.11 python3.12 python3.13 python3}; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    return 1
}

make_venv() {
    local python
    [ -x .venv/bin/python ] && .venv/bin/python -m pip --version >/dev/null 2>&1 && return
    python=$(find_python) || {
        [ -z "${PYTHON:-}" ] || fail "PYTHON=$PYTHON is not a Python 3.11 or newer"
        apt python3 python3-venv
        python=$(find_python) || fail "Python 3.11 or newer is needed, and this system's packages only have an older one; give its path: make PYTHON=/path/to/python3.11"
    }
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        apt "python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
    fi
    say "making .venv with $("$python" --version)"
    "$python" -m venv --clear .venv
}

# pip without its chatter where nobody watches a progress bar.
pip() {
    local quiet=()
    [ -t 2 ] || quiet=(-qq)
    .venv/bin/python -m pip install --disable-pip-version-check --no-input "${quiet[@]}" "$@" </dev/null
}

install_packages() {
    # `==` also takes a CPU build (2.13.0+cpu) where pip is told of one, `===` takes only the plain one.
    local version torch
    version=$(sed -n 's/^torch==//p' constraints.txt)
    if nvidia-smi -L >/dev/null 2>&1; then
        torch="torch===$version"
        say "1/3 $torch, for the GPU of this machine"
    else
        torch="torch==$version"
        say "1/3 $torch, the CPU build where pip offers one (the largest download)"
    fi
    pip -c constraints.txt "$torch"
    say "2/3 the other packages of constraints.txt"
    pip --no-deps -r constraints.txt
    say "3/3 combatvla itself, editable"
    pip --no-deps --no-build-isolation -e .
}

case "${1:-python}" in
python)
    make_venv
    install_packages
    say "ready in ${SECONDS} s"
    ;;
display)
    if [ "${2:-}" != always ] && [ -n "${DISPLAY:-}" ]; then exit 0; fi
    if command -v Xvfb >/dev/null && command -v openbox >/dev/null; then exit 0; fi
    apt xvfb openbox
    ;;
flare)
    if PATH="$PATH:/usr/games:/usr/local/games" command -v flare >/dev/null; then exit 0; fi
    apt flare-game
    ;;
browser)
    if command -v chromium >/dev/null && command -v chromedriver >/dev/null; then exit 0; fi
    (apt chromium chromium-driver) || say "the tests in a browser are skipped"
    ;;
*) fail "expected nothing, 'display', 'flare' or 'browser', got '$1'" ;;
esac
