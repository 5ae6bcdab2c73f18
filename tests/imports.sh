#!/usr/bin/env bash
# The import rules: which packages may not reach which, however indirectly.
set -euo pipefail

failed=0
# forbid PACKAGES REGEXP [ENV...]: none of PACKAGES may depend on what matches.
forbid() {
  local packages=$1 pattern=$2
  shift 2
  local deps bad
  deps=$(env "$@" go list -deps "$packages")
  if bad=$(grep -E "$pattern" <<<"$deps"); then
    echo "import rule: $packages must not reach:" $bad >&2
    failed=1
  fi
}

forbid ./plugin '^(net|net/http|database/sql|encoding/json|net/url)$' GOOS=wasip1 GOARCH=wasm
forbid ./filter/... 'proxy-wasm-go-sdk|wazero|^cloakroom/(plugin|hostsim|store|service|cmd)'
forbid ./filter/config '^cloakroom/filter(/worker)?$'
forbid ./api '^(cloakroom/(session|filter|plugin|hostsim|store|service|cmd)|encoding/json|net)'
forbid ./session '^(cloakroom/(filter|plugin|hostsim|store|service|cmd)|encoding/json|golang|github)'
forbid ./hostsim '^cloakroom/(session|filter|store|service|plugin|cmd)|proxy-wasm-go-sdk|goccy|prometheus|kong'
forbid ./hostsim/proxy '^cloakroom/(session|filter|store|service|plugin|cmd)|proxy-wasm-go-sdk|^database/sql$'
forbid ./cmd/hostsim '^cloakroom/(session|filter|store|service|plugin|cmd/cloakroom)|proxy-wasm-go-sdk|^database/sql$'

# layers DIR LAYER...: a package in DIR may depend on those of the layers before its own,
# and each package must be in one of the layers.
layers() {
  local dir=$1 layer package above=" "
  shift
  for package in "$dir"/*/; do above+="$(basename "$package") "; done
  for layer in "$@"; do
    for package in $layer; do
      forbid "./$dir/$package" "^cloakroom/$dir/($(tr ' ' '\n' <<<"$above" | grep -vx "$package" | grep . | paste -sd '|'))$"
    done
    for package in $layer; do above=${above/ $package / }; done
  done
  if [ "$above" != " " ]; then
    echo "import rule: $dir: no layer has:$above" >&2
    failed=1
  fi
}

layers hostsim/internal \
  'abi clock grpc protobuf' \
  'fault foreign header logbook metrics property shared' \
  'flow upstream' \
  'callout' \
  'guest' \
  'wasi' \
  'hostcall stream'
for package in abi callout clock fault flow foreign grpc header logbook metrics property protobuf shared upstream; do
  forbid "./hostsim/internal/$package" '^github.com/tetratelabs/'
done

forbid ./service '^cloakroom/(filter|plugin|hostsim|cmd)|proxy-wasm-go-sdk'
forbid ./store/... '^cloakroom/(filter|plugin|hostsim|service|cmd)|proxy-wasm-go-sdk'
exit $failed
