#!/usr/bin/env bash
# Prepares a Debian/Ubuntu machine for building llmdit: system packages (as root), then .venv with torch and the tests' packages.
# With the argument "fuzz" or "docs": what the fuzz targets or the documentation need besides. Quick when nothing is missing. Without root or apt it changes nothing and lists what to install.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(build-essential cmake ninja-build ccache mold python3-dev python3-venv nlohmann-json3-dev libpcre2-dev libutf8proc-dev
          libsentencepiece-dev libcli11-dev libstb-dev zlib1g-dev libpng-dev libjpeg-dev libwebp-dev libyaml-cpp-dev libtomlplusplus-dev libcpp-httplib-dev
          libssl-dev pkg-config libcatch2-dev zsh fish)

# The examples of other languages run where the language is installed; this is what they need besides, which nobody is asked for.
if command -v java >/dev/null && command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then packages+=(libjna-java); fi

case "${1:-}" in
  fuzz) packages=(clang-19 libclang-rt-19-dev) ;;
  docs) packages=(doxygen) ;;
esac

say() { printf '[setup] %s\n' "$*" >&2; }
installed() {
  local version
  version=$(dpkg-query -W -f='${Status} ${Version}' "$1" 2>/dev/null) || return 1
  [[ $version == *"ok installed"* ]] || return 1
  [ "$1" != libcatch2-dev ] || dpkg --compare-versions "${version##* }" ge 3
}

on_bookworm() { (. /etc/os-release && [ "${VERSION_CODENAME:-}" = bookworm ]); }

# Debian 12 ships Catch2 2; version 3 is in its backports, reached through the machine's own configured mirror.
add_backports() {
  grep -rqs 'bookworm-backports' /etc/apt/sources.list /etc/apt/sources.list.d && return 0
  if [ -f /etc/apt/sources.list.d/debian.sources ]; then
    awk 'BEGIN { RS = ""; ORS = "\n\n" } /Suites:[^\n]*bookworm/ && !/security/ { sub(/Suites:[^\n]*/, "Suites: bookworm-backports"); print; exit }' \
      /etc/apt/sources.list.d/debian.sources > /etc/apt/sources.list.d/llmdit-backports.sources
  else
    sed -nE 's/^(deb (\[[^]]*\] )?[^ ]+) bookworm .*/\1 bookworm-backports main/p' /etc/apt/sources.list | head -n 1 \
      > /etc/apt/sources.list.d/llmdit-backports.list
  fi
}

system_packages() {
  local missing=()
  for package in "${packages[@]}"; do
    installed "$package" || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
    say "missing packages: ${missing[*]}"
    say "install them (on Debian/Ubuntu as root: tools/setup.sh; Catch2 must be version 3) and run this again"
    return 3
  fi
  say "installing ${missing[*]}"
  if on_bookworm; then add_backports; fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  if [[ " ${missing[*]} " == *" libcatch2-dev "* ]] && on_bookworm; then
    apt-get install -y -qq -t bookworm-backports libcatch2-dev >/dev/null
  fi
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

documentation_packages() {
  local stamp=.venv/.requirements-docs
  if [ -f "$stamp" ] && cmp -s docs/requirements.txt "$stamp"; then return 0; fi
  say "adding what the documentation is built with to .venv"
  .venv/bin/python -m pip install -q --disable-pip-version-check -r docs/requirements.txt
  cp docs/requirements.txt "$stamp"
}

python_environment() {
  local stamp=.venv/.requirements
  if [ -f "$stamp" ] && cmp -s requirements-dev.txt "$stamp"; then return 0; fi
  say "preparing .venv (torch and the tests' packages)"
  [ -x .venv/bin/python ] || "${PYTHON:-python3}" -m venv .venv
  # torch first and pinned: a later package that asks for "torch" must find it and not fetch another build.
  .venv/bin/python -m pip install -q --disable-pip-version-check "$(grep '^torch==' requirements-dev.txt)"
  .venv/bin/python -m pip install -q --disable-pip-version-check -r requirements-dev.txt
  cp requirements-dev.txt "$stamp"
}

# What calls C from JavaScript, for the example of Node.js: tried once, and its test is skipped without.
node_package() {
  command -v npm >/dev/null && [ ! -e .venv/.koffi ] || return 0
  touch .venv/.koffi
  say "adding koffi for the example of Node.js"
  npm install --silent --no-save --no-audit --no-fund --fetch-retries 0 --prefix .venv koffi@3.3.4 >/dev/null 2>&1 ||
    say "koffi could not be fetched"
}

system_packages
python_environment
[ -n "${1:-}" ] || node_package
[ "${1:-}" != docs ] || documentation_packages
