#!/usr/bin/env bash
# Shows every promise in full and prints a table: what was promised, how it was shown,
# how long it took, whether it held. Exits 1 unless all held. With arguments, only the
# lines whose name begins with one of them: scripts/prove.sh H3 H4
# Each chapter adds its lines at the end of this file.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

table=""
bad=0
wanted=("$@")

# prove NAME COMMAND runs a shell command, whose exit status 0 means that it held.
prove() {
	local name=$1 command=$2 start=$SECONDS verdict=held w chosen=1
	if [ ${#wanted[@]} -gt 0 ]; then
		chosen=0
		for w in "${wanted[@]}"; do case $name in "$w"*) chosen=1 ;; esac; done
	fi
	[ "$chosen" = 1 ] || return 0
	printf '\n== %s: %s\n' "$name" "$command"
	bash -c "$command" || { verdict=BROKEN; bad=1; }
	table="$table$(printf '%-6s %5d s  %-7s %s' "$name" $((SECONDS - start)) "$verdict" "$command")"$'\n'
}

# shellcheck disable=SC2317 # called below
finish() {
	printf '\n%-6s %7s  %-7s %s\n%s' promise time verdict "shown by" "$table"
	exit $bad
}

# 1. The house and the first request
prove H1 'scripts/fresh.sh'
prove H2 'bin/muster demo --for 30s --exit'
prove H2s 'bin/muster demo --for 30s --exit --single'
prove H2p 'bin/muster demo --for 30s --exit --in-process'
prove H2r 'go test -count=1 -run TestReadmeCommands ./platform/cmd/muster'
prove H2e 'make bench-edge'
prove H3 'bin/muster demo --for 60s --chaos --exit'
prove H3c 'bin/muster drill control-down --for 20s'
prove H3k 'go test -count=1 -run TestNothingOutlivesTheSupervisor -v ./platform/cmd/muster'
prove H4 'bin/muster drill rolling --for 60s'
prove H5 'make bench-start'
prove H6 'go test -count=1 -run TestQuickstart -v ./platform/cmd/muster'
prove H7 'go test -count=1 -run "TestModuleBudget|TestConsumer" -v ./internal/archtest && scripts/test.sh alone darwin windows'
prove H8 'go test -count=1 -run TestScripts/bad -v ./platform/cmd/muster'

# 2. The first order
prove O1 'for seed in 1 2 3 4 5 6 7 8 9 10; do bin/muster demo --for 60s --chaos --exit --seed $seed || exit 1; done'
prove O1p 'go run ./bench with-postgres bin/muster demo --for 60s --chaos --exit --postgres URL'
prove O2 'bin/muster drill broker-down --for 20s'
prove O3 'bin/muster demo --for 30s --exit'
prove O4 'make guards'
prove O5s 'make bench-saga'
prove O5b 'make bench-bus'
prove O6 'make bench-start'
prove O7 'go test -count=1 -run "TestScripts/bad|TestScripts/events" -v ./platform/cmd/muster'

# 3. See it
prove V1 'bin/muster drill history --kills 20'
prove V1b 'make bench-first'
prove V2 'go test -count=1 -v -run "TestOneOrderIsOneTrace|TestMapIsTheCallGraph" ./platform/cmd/muster'
prove V3 'PROVE=true go test -count=1 -v ./platform/dashboard/scene'
prove V4 'go test -count=1 -v -run TestStock ./platform/cmd/muster && go test -count=1 ./platform/telemetry/metrics/...'
prove V5 'make bench-telemetry'
prove V6 'go test -count=1 -v -run "TestBadTelemetry|TestLabelExplosion|TestFullDisk" ./platform/cmd/muster'

# 4. Calls that survive
prove C1 'bin/muster drill retry-storm && bin/muster drill retry-storm --textbook && bin/muster drill traffic-spike'
prove C2 'PROVE=true go test -count=1 -v ./call/balance/balancetest && bin/muster drill slow-replica'
prove C3 'bin/muster drill service-down'
prove C4 'bin/muster drill registry-down --for 60s && bin/muster drill readdress && bin/muster drill partition'
prove C5 'make bench-call'
prove C6 'go test -count=1 -v -run "Nonsense|BeyondMeasure|Near|UnknownService|NoInstance|Timeout|Deadline|Stalled|Refuses" ./call ./call/discovery ./call/policy'
prove C7 'bin/muster drill network-delay'
prove C8 'go test -count=1 -v -run "TestScripts/(own|ways|tcp|limits|load|delay)" ./platform/cmd/muster'

# 5. Proven by crashing everywhere
prove D1b 'go test -count=1 -v -timeout 20m -run "TestACrashAtEveryBoundary|TestTakeoverAfterSIGKILL" ./proof/checkout'
prove D1c 'bin/muster drill crash --for 60s && bin/muster drill crash --for 60s --database postgres'
prove D4 'bin/muster drill rebuild --for 20s && bin/muster drill reads --for 10s'
prove D4b 'go test -count=1 -v ./proof/brokers'

# 6. The gateway engine
prove G1 'make bench-gateway'
prove G2 'go test -count=1 -v -run TestH2Spec ./proof/edge && go test -count=1 ./platform/gateway/http1/desync && go test -run FuzzEdge -fuzz FuzzEdge -fuzztime 10m ./platform/gateway/http1/desync'
prove G3 'bin/muster drill reload'
prove G4 'bin/muster drill overload'
prove G5 'go test -count=1 -v -run "TestGRPCInterop|TestWebSockets|TestBothEngines|TestSlowStreams" ./proof/edge'
prove G6 'go test -count=1 -v -run "Refus|Bomb|Bodies|Body|Slow|Smuggled|Mutants|EachByte|Stalls|Early|Window|Bad|Cannot|Errors" ./platform/gateway/http1/... ./platform/gateway/relay ./platform/gateway/nethttp ./platform/gateway/snapshot ./platform/gateway ./platform/fleet'

finish
