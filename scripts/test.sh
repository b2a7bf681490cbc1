#!/usr/bin/env bash
# What `make test` runs: every check, then every test of every module. All phases run,
# also after one failed; the last lines name what was skipped and what failed, and the
# closing one counts. With CI=true a skipped integration suite counts as failed.
# With arguments only the phases named: scripts/test.sh lint race
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
wanted=" $* "

results=$(mktemp -d "${TMPDIR:-/tmp}/muster-test.XXXXXX")
trap 'rm -rf "$results"' EXIT
began=$SECONDS
times=""
failed=""

modules=$(sed -n 's/^\t\(\.[^ ]*\)$/\1/p' go.work)
packages=$(for m in $modules; do echo "${m%/}/..."; done)

# phase NAME COMMAND... runs one phase and takes its time. Status 3 means that what
# failed is counted already.
phase() {
	local name=$1 start=$SECONDS verdict=ok
	shift
	case $wanted in "  " | *" $name "*) ;; *) return ;; esac
	echo "== $name"
	"$@"
	case $? in
	0) ;;
	3) verdict=FAILED ;;
	*) verdict=FAILED failed="$failed${failed:+,}$name" ;;
	esac
	times="$times$(printf '%-16s %5d s  %s' "$name" $((SECONDS - start)) "$verdict")"$'\n'
}

# tests NAME ARGUMENTS... runs go test; its results are counted in the summary.
tests() {
	local name=$1
	shift
	go test -json "$@" | tee "$results/$name.json" | "$results/testsum" || return 3
}

architecture() { tests architecture -count=1 ./internal/archtest; }

# Many of the tests wait, for leases above all: more packages at once than cores.
race() {
	# shellcheck disable=SC2046,SC2086 # lists of words
	tests race -race -vet=off -p 4 -timeout 15m $(go list -e $packages | grep -v -e /internal/archtest$ -e /dashboard/scene$)
}

# browser drives the dashboard's pages, alone: a browser is slow beside other tests.
browser() { tests browser -count=1 -vet=off -timeout 8m ./platform/dashboard/scene; }

# dashboard fails when the bundle is not what its sources say, or their types do not hold.
dashboard() {
	(cd tools && GOWORK=off go test -count=1 ./bundle) || return 1
	if ! scripts/npm.sh; then
		echo "types are not checked"
		return 0
	fi
	build/npm/node_modules/.bin/tsc --noEmit -p platform/dashboard/web
}

# plain runs the packages with tests that are built without the race detector only, for
# under it they would be slow, and their figures mean nothing.
plain() {
	# shellcheck disable=SC2046 # a list of words
	tests plain -vet=off -timeout 15m $(grep -rl --include='*_test.go' '^//go:build .*!race' . | xargs -n1 dirname | sort -u)
}

# foreign runs the tests that compare with other projects' code, which is kept out of
# every module a user gets.
foreign() {
	for module in drivers/postgres/testdata/goose call/resilience/testdata/failsafe; do
		(cd "$module" && GOWORK=off go test -json -count=1 ./... | tee "$results/foreign-$(basename "$module").json" | "$results/testsum") || return 3
	done
}

# crossCompile OS ARCH compiles everything for a system that is not run here; without
# optimization, which saves a third of the time and finds the same mistakes.
crossCompile() {
	# shellcheck disable=SC2086
	GOOS=$1 GOARCH=$2 go build -gcflags='all=-N -l' $packages
}

# systems compiles, for both, the packages that have files of their own for a system and
# little below them; everything is compiled for them by name: scripts/test.sh darwin windows
systems() {
	local os bad=0
	for os in darwin windows; do
		GOOS=$os GOARCH=amd64 go build -gcflags='all=-N -l' ./platform/supervise/process ./platform/supervise/group \
			./platform/supervise/ports ./platform/supervise/logs ./platform/preflight || bad=1
	done
	return $bad
}

# alone builds each module as its users get it: without the workspace.
alone() {
	local m bad=0
	for m in $modules; do
		(cd "$m" && GOWORK=off go build ./...) || { echo "in $m"; bad=1; }
	done
	return $bad
}

# drills shows, briefly, what `make prove` shows in full.
drills() {
	make --no-print-directory build &&
		bin/muster demo --for 10s --exit &&
		bin/muster drill rolling --for 10s
}

go build -o "$results/testsum" ./internal/testsum || exit 1

phase prepare scripts/install-test-deps.sh
phase lint make --no-print-directory lint
phase architecture architecture
phase generated make --no-print-directory gen-check
phase race race
phase plain plain
phase browser browser
phase dashboard dashboard
phase foreign foreign
phase alone alone
phase systems systems
case $wanted in *darwin*) phase darwin crossCompile darwin arm64 ;; esac
case $wanted in *windows*) phase windows crossCompile windows amd64 ;; esac
phase drills drills

echo "== summary"
printf '%s%-16s %5d s\n' "$times" total $((SECONDS - began))
cat "$results"/*.json 2>/dev/null | "$results/testsum" -summary -failed "$failed"
