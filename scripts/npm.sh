#!/bin/sh
# Installs what tests need from npm into build/npm, which git ignores: OpenTelemetry's SDK
# for Node, as a stock client of the platform, TypeScript, to check the dashboard's types,
# and AsyncAPI's schema, to check documents. Nothing of it is needed to build or to run
# anything. Versions and checksums are those of scripts/npm; the registry is the one that
# npm is set to. What is there already is left alone. Exits 3, with one line that says why,
# where it cannot be installed.
set -eu
cd "$(dirname "$0")/.."
to=build/npm

cannot() {
	echo "$1" >&2
	exit 3
}

mkdir -p build
if command -v flock >/dev/null 2>&1; then # of several that begin together one installs
	exec 9>build/npm.lock
	flock 9
fi
# done is written last
if cmp -s scripts/npm/package-lock.json "$to/done"; then exit 0; fi
command -v node >/dev/null 2>&1 || cannot "node is not installed"
command -v npm >/dev/null 2>&1 || cannot "npm is not installed"

fresh=$(mktemp -d build/npm.XXXXXX)
trap 'rm -rf "$fresh"' EXIT
trap 'exit 1' HUP INT TERM
cp scripts/npm/package.json scripts/npm/package-lock.json "$fresh"
if ! npm ci --prefix "$fresh" --ignore-scripts --no-audit --no-fund --fetch-retries=1 --fetch-timeout=20000 >"$fresh/log" 2>&1; then
	cannot "npm cannot install: $(grep -m1 -i error "$fresh/log" || tail -n1 "$fresh/log")"
fi
rm "$fresh/log"
cp "$fresh/package-lock.json" "$fresh/done"
rm -rf "$to"
mv "$fresh" "$to"
