#!/usr/bin/env bash
# Tries the README's two commands as a new user would: a fresh clone of the last commit,
# an empty module cache, an empty build cache. Takes as long as compiling everything.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
dir=$(mktemp -d "${TMPDIR:-/tmp}/muster-fresh.XXXXXX")
trap 'chmod -R u+w "$dir" && rm -rf "$dir"' EXIT
export GOMODCACHE=$dir/mod GOCACHE=$dir/cache GOFLAGS=
git clone -q "$here" "$dir/muster"
cd "$dir/muster"

echo "== make demo"
began=$SECONDS
make demo >"$dir/demo.log" 2>&1 &
demo=$!
for _ in $(seq 1200); do
	grep -q "all ready" "$dir/demo.log" && break
	kill -0 "$demo" 2>/dev/null || { cat "$dir/demo.log"; exit 1; }
	sleep 0.5
done
curl -sf "http://127.0.0.1:${MUSTER_EDGE_PORT:-8080}/v1/products?limit=1" && echo
# make passes the signal on to the demo
pkill -INT -P "$demo" || kill -INT "$demo"
wait "$demo" || true
echo "make demo: the first page after $((SECONDS - began)) s, compiling included"

unset MUSTER_EDGE_PORT MUSTER_CONTROL_PORT MUSTER_BROKER_PORT MUSTER_BROKER_HTTP_PORT
echo "== make test"
began=$SECONDS
make test
echo "make test: $((SECONDS - began)) s"
