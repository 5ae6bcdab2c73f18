#!/usr/bin/env bash
# Unpacks PgBouncer with its libraries, the C library included, from Debian's
# packages into a folder, without root and without apt's own state: one that
# cannot follow prepared statements (Debian 12: 1.18) and one that can (Debian
# 13: 1.24). Other systems with apt have what their own sources have.
set -euo pipefail
to=$1

# fetch NAME OPTIONS...: the newest packages by those options of apt, into $to/NAME.
fetch() {
  local name=$1 state packages before
  shift
  state=$(mktemp -d)
  mkdir -p "$state"/lists/partial "$state"/cache/archives/partial "$state"/debs
  local apt=(-q -o "Dir::State::lists=$state/lists" -o "Dir::Cache=$state/cache" -o Dir::State::status=/dev/null -o APT::Sandbox::User= -o Acquire::Languages=none -o Acquire::Retries=3 "$@")
  apt-get "${apt[@]}" update >"$state/log" 2>&1 || { cat "$state/log" >&2; return 1; }
  packages=pgbouncer before=
  while [ "$packages" != "$before" ]; do # what they depend on, as far as it is libraries
    before=$packages
    # shellcheck disable=SC2086
    packages=$( (tr ' ' '\n' <<<"$packages"; apt-cache "${apt[@]}" depends $packages | sed -n 's/^ *|*\(Pre\)*Depends: \(lib[^ <]*\)$/\2/p') | sort -u | tr '\n' ' ' | sed 's/ $//')
  done
  # shellcheck disable=SC2086
  (cd "$state/debs" && apt-get "${apt[@]}" download $packages) >"$state/log" 2>&1 || { cat "$state/log" >&2; return 1; }
  mkdir -p "$to/$name"
  for package in "$state"/debs/*.deb; do dpkg -x "$package" "$to/$name"; done
  rm -rf "$state"
}

keyring=/usr/share/keyrings/debian-archive-keyring.gpg
mirror=$(apt-get indextargets --format '$(SITE) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null | sed -n 's,^[^ ]* \(http.*/debian/\)$,\1,p' | head -1)
if [ -n "$mirror" ] && [ -e "$keyring" ]; then
  for suite in bookworm trixie; do
    list=$(mktemp)
    echo "deb [signed-by=$keyring] $mirror $suite main" >"$list"
    fetch "$suite" -o "Dir::Etc::sourcelist=$list" -o Dir::Etc::sourceparts=/dev/null
    rm "$list"
  done
else
  fetch own
fi
