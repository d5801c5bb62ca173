#!/usr/bin/env bash
# Makes .venv with everything that Nightcap needs. Run by `make setup`; a second run finds nothing to do.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
unset VIRTUAL_ENV
PATH=${PATH//"$PWD/.venv/bin:"/}

readonly STAMP=.venv/nightcap-setup
readonly VERSIONS=(3.13 3.12 3.11)

main() {
    command -v git >/dev/null || say "git is missing; without it runs are recorded without their commit. Install it: $(apt_line git)"
    if is_current; then
        return
    fi
    if [[ -f $STAMP && $(recorded place) == "$PWD" ]] && version_of .venv/bin/python >/dev/null && has_wanted_python; then
        say "Updating .venv: the locked packages changed"
    else
        make_environment
    fi
    install_packages
}

say() { printf '%s\n' "$*"; }

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

apt_line() {
    local sudo=""
    [[ $(id -u) == 0 ]] || sudo="sudo "
    say "${sudo}apt-get install -y $*"
}

# A stamp is written when all is installed and taken away before anything changes, so its absence means a half-made folder.
is_current() {
    [[ -f $STAMP && -x .venv/bin/nightcap && $(<"$STAMP") == "$(wanted_stamp)" ]] && has_wanted_python
}

wanted_stamp() {
    local version
    version=$(version_of .venv/bin/python) || return 1
    say "place=$PWD"
    say "digest=$(cat "requirements/python$version.txt" requirements/bootstrap.txt pyproject.toml | digest)"
}

has_wanted_python() { [[ -z ${PYTHON:-} || $(version_of "$PYTHON") == "$(version_of .venv/bin/python)" ]]; }

digest() {
    { sha256sum 2>/dev/null || shasum -a 256; } | cut -d' ' -f1
}

recorded() { sed -n "s/^$1=//p" "$STAMP"; }

# Prints 3.12, say, and fails where the command does not run.
version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }

is_supported() { [[ " ${VERSIONS[*]} " == *" $1 "* ]]; }

make_environment() {
    local python version
    python=$(find_python)
    version=$(version_of "$python")
    if uv --version >/dev/null 2>&1; then
        say "Making .venv with Python $version"
        rm -rf .venv
        uv venv --quiet --python "$python" .venv
        return
    fi
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        fail "python3-venv is missing for Python $version. Install it: $(apt_line "python$version-venv")"
    say "Making .venv with Python $version, and bringing uv into it"
    rm -rf .venv
    "$python" -m venv .venv
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
}

# Prints the interpreter behind the first supported command, even where that command is a virtual environment's.
find_python() {
    local command candidates=(python3 "${VERSIONS[@]/#/python}")
    [[ -z ${PYTHON:-} ]] || candidates=("$PYTHON")
    for command in "${candidates[@]}"; do
        if is_supported "$(version_of "$command")"; then
            "$command" -c 'import sys; print(getattr(sys, "_base_executable", sys.executable))'
            return
        fi
    done
    explain_python "${candidates[0]}"
}

explain_python() {
    local found best
    best=$(best_version)
    if found=$(version_of "$1"); then
        fail "$1 is Python $found; Nightcap needs 3.11, 3.12 or 3.13. Install one: $(apt_line "python$best" "python$best-venv")"
    fi
    fail "Python is missing ($1 does not run); Nightcap needs 3.11, 3.12 or 3.13. Install one: $(apt_line "python$best" "python$best-venv")"
}

best_version() {
    local version
    for version in "${VERSIONS[@]}"; do
        if apt-cache show "python$version-venv" >/dev/null 2>&1; then
            say "$version"
            return
        fi
    done
    say 3.11
}

install_packages() {
    local uv=.venv/bin/uv lock
    lock=requirements/python$(version_of .venv/bin/python).txt
    rm -f "$STAMP"
    if uv --version >/dev/null 2>&1; then
        uv=uv
    else
        follow_pip_settings
    fi
    say "Installing the packages of $lock (3.9 GB; some minutes the first time)"
    # uv's list of every package is left out; what it downloads is shown. Bytecode is compiled here once: where Python
    # may not write any (PYTHONDONTWRITEBYTECODE, a read-only folder), each start would compile TensorFlow anew.
    "$uv" pip sync --python .venv/bin/python --compile-bytecode --require-hashes \
        --build-constraints requirements/bootstrap.txt "$lock" requirements/bootstrap.txt 2>&1 | sed -u '/^ [+~-] /d'
    "$uv" pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable .
    wanted_stamp >"$STAMP.new"
    mv "$STAMP.new" "$STAMP"
    say ".venv is ready"
}

# Who set up only pip gets packages through uv from the same place.
follow_pip_settings() {
    local index=${PIP_INDEX_URL:-}
    [[ -n $index ]] || index=$(.venv/bin/python -m pip config get global.index-url 2>/dev/null) || true
    [[ -z $index || -n ${UV_DEFAULT_INDEX:-} ]] || export UV_DEFAULT_INDEX=$index
    [[ -z ${PIP_EXTRA_INDEX_URL:-} || -n ${UV_INDEX:-} ]] || export UV_INDEX=$PIP_EXTRA_INDEX_URL
    [[ -z ${PIP_CERT:-} || -n ${SSL_CERT_FILE:-} ]] || export SSL_CERT_FILE=$PIP_CERT
}

main
