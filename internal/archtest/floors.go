package archtest

import (
	"slices"
	"strings"
)

// Module is the path of the library module; the other modules live below it.
const Module = "github.com/musterdev/muster"

// MaxModules bounds `go list -m all` of the library: what a service's author takes
// on by importing it.
const MaxModules = 60

// Floor says what the packages of one folder may import of this repository.
// A pattern is a folder ("page"), a folder with all below it ("call/...") or the
// root package (".").
type Floor struct {
	Folder string // a pattern; the longest that matches a package is the one that counts
	May    string // patterns, separated by spaces
	Tests  string // what its test files may import besides
}

// Named sets of patterns, to keep the table short.
const (
	chapters = "problem strictyaml page/... rest/... observe/... auth mtls call/... bus/... cache/... data/... webhook/..." // the library without package muster
	library  = chapters + " . crash"
	engines  = "platform/fleet/... platform/registry/... platform/gateway/... platform/broker/... platform/control/... platform/supervise/... platform/gen/... platform/telemetry/... platform/diagnose platform/dashboard/..."
	stage    = "shop/proto/... shop/events shop/answers shop/background shop/clock shop/query" // what the shop's services share
)

// Floors is the architecture: every folder with Go code has a row, and data flow
// down the rows' arrows only. Whoever adds a folder adds its row here; whoever
// needs a new arrow writes an ADR.
func Floors() []Floor {
	return []Floor{
		// The library: one module, no arrow up. The lowest words come first.
		{Folder: "problem", May: "", Tests: chapters},
		{Folder: "strictyaml", May: "problem", Tests: chapters},
		{Folder: "page", May: "problem", Tests: chapters},
		{Folder: "observe/...", May: "problem observe/...", Tests: chapters},
		{Folder: "auth", May: "problem", Tests: chapters},
		{Folder: "mtls", May: "problem", Tests: chapters},
		{Folder: "page/pagetest", May: "problem page", Tests: chapters},
		{Folder: "rest/docs", May: "problem", Tests: chapters},
		{Folder: "rest/openapi", May: "problem", Tests: chapters},
		{Folder: "rest", May: "problem page rest/docs rest/openapi", Tests: chapters},
		{Folder: "rest/operation", May: "problem rest", Tests: chapters},
		{Folder: "rest/operation/sagas", May: "problem data/saga rest/operation", Tests: chapters},

		{Folder: "call/discovery/...", May: "problem auth mtls", Tests: chapters},
		{Folder: "call/resilience/internal/textual", May: "problem", Tests: chapters},
		{Folder: "call/resilience", May: "problem call/resilience/internal/textual", Tests: chapters},
		{Folder: "call/quota", May: "problem call/discovery", Tests: chapters},
		{Folder: "call/admission", May: "problem call/discovery call/resilience call/quota", Tests: chapters},
		{Folder: "call/resilience/stormtest", May: "call/resilience call/admission", Tests: chapters},
		{Folder: "call/resilience/legacy", May: "problem call/resilience", Tests: chapters},
		{Folder: "call/balance/...", May: "problem call/discovery/... call/balance/...", Tests: chapters},
		{Folder: "call/seen", May: "problem call/balance call/resilience call/quota call/admission", Tests: chapters},
		{Folder: "call/internal/...", May: "call/discovery call/resilience", Tests: chapters},
		{Folder: "call/internal/keep", May: "problem call/internal/body call/internal/pool", Tests: chapters},
		{Folder: "call/internal/link", May: "call/balance call/seen", Tests: chapters},
		{Folder: "call/internal/method", May: "call/internal/snap", Tests: chapters},
		{Folder: "call/internal/pool", May: "call/discovery call/resilience call/balance call/policy call/seen", Tests: chapters},
		{Folder: "call/policy", May: "problem call/balance call/resilience call/quota", Tests: chapters},
		{Folder: "call", May: "problem observe auth mtls call/...", Tests: chapters},

		{Folder: "bus", May: "problem", Tests: chapters},
		{Folder: "bus/...", May: "problem bus bus/bustest/... bus/cloudevents bus/memory", Tests: chapters},
		{Folder: "bus/asyncapi", May: "problem bus rest/openapi", Tests: chapters},

		{Folder: "cache", May: "problem bus", Tests: chapters},
		{Folder: "cache/cachetest", May: "cache", Tests: chapters},

		{Folder: "data/tx", May: "problem", Tests: chapters},
		{Folder: "data/group", May: "data/tx", Tests: chapters},
		{Folder: "data/migrate", May: "problem data/tx", Tests: chapters},
		{Folder: "data/idempotency", May: "problem data/tx data/group data/migrate", Tests: chapters},
		{Folder: "data/lease", May: "problem data/tx data/migrate", Tests: chapters},
		{Folder: "data/twophase", May: "problem data/tx data/migrate", Tests: chapters},
		{Folder: "data/compare", May: "problem data/tx", Tests: chapters},
		{Folder: "data/lock", May: "problem data/tx data/migrate", Tests: chapters},
		{Folder: "data/outbox", May: "problem bus data/tx data/migrate data/lease", Tests: chapters},
		{Folder: "data/inbox", May: "problem bus data/tx data/group data/migrate", Tests: chapters},
		{Folder: "data/cdc", May: "problem data/tx data/migrate data/lease", Tests: chapters},
		{Folder: "data/projection", May: "problem bus data/tx data/migrate data/lease", Tests: chapters},
		{Folder: "data/parking", May: "problem bus data/tx data/migrate", Tests: chapters},
		{Folder: "data/saga", May: "problem data/tx data/saga/internal/...", Tests: chapters},
		{Folder: "data/saga/internal/...", May: "problem data/tx data/group data/migrate data/saga/internal/...", Tests: chapters},
		{Folder: "data/datatest/...", May: "problem page/... bus/... data/... webhook/...", Tests: chapters},

		{Folder: "webhook/guard", May: "problem", Tests: chapters},
		{Folder: "webhook", May: "problem bus data/tx data/migrate webhook/guard", Tests: chapters},
		{Folder: "webhook/web", May: "problem webhook", Tests: chapters},

		{Folder: "crash", May: "problem bus observe/sqltrace", Tests: chapters},
		{Folder: ".", May: chapters + " crash"},
		{Folder: "internal/...", May: "", Tests: ""},

		// Drivers: a module each. They know the library's words, never package muster.
		{Folder: "drivers/...", May: chapters, Tests: chapters},
		{Folder: "drivers/kafka/...", May: chapters + " drivers/kafka/internal/...", Tests: chapters + " drivers/kafka/..."},
		{Folder: "drivers/mysql/...", May: chapters, Tests: chapters + " drivers/mysql/..."},
		{Folder: "drivers/nats/...", May: chapters + " drivers/nats/internal/...", Tests: chapters + " drivers/nats/..."},
		{Folder: "drivers/rabbitmq/...", May: chapters + " drivers/rabbitmq/internal/...", Tests: chapters + " drivers/rabbitmq/..."},
		{Folder: "drivers/redis/...", May: chapters, Tests: chapters + " drivers/redis/..."},
		{Folder: "drivers/postgres/...", May: chapters + " drivers/postgres/pgserver", Tests: "drivers/postgres/..."},

		// The platform: engines know the library and what they are made of.
		{Folder: "platform/fleet/...", May: "problem strictyaml bus call/discovery call/policy platform/fleet/...", Tests: chapters},
		{Folder: "platform/registry/...", May: chapters + " platform/registry/...", Tests: chapters},
		{Folder: "platform/broker/...", May: library + " drivers/nats drivers/sqlite platform/broker/...", Tests: ""},
		{Folder: "platform/local/...", May: library + " drivers/... platform/preflight platform/ops " + engines, Tests: ""},
		{Folder: "platform/telemetry", May: chapters + " platform/diagnose platform/telemetry/...", Tests: ""},
		{Folder: "platform/telemetry/signal", May: "problem"},
		{Folder: "platform/telemetry/store/...", May: "problem platform/telemetry/signal platform/telemetry/store/...", Tests: ""},
		{Folder: "platform/telemetry/otlp/...", May: "problem platform/telemetry/signal platform/telemetry/otlp/...", Tests: "drivers/otlp observe"},
		{Folder: "platform/telemetry/metrics/...", May: "problem platform/telemetry/metrics/...", Tests: "drivers/otlp observe"},
		{Folder: "platform/telemetry/printed", May: "platform/telemetry/signal"},
		{Folder: "platform/telemetry/tree", May: "platform/telemetry/signal"},
		{Folder: "platform/telemetry/graph", May: "platform/telemetry/signal", Tests: "platform/telemetry/store"},
		{Folder: "platform/telemetry/graph/draw", May: "platform/telemetry/graph"},
		{Folder: "platform/telemetry/graph/cause", May: "platform/telemetry/signal platform/telemetry/graph"},
		{Folder: "platform/diagnose", May: "platform/telemetry/signal platform/telemetry/tree"},
		{Folder: "platform/telemetry/jaeger", May: "problem platform/telemetry/signal platform/telemetry/graph", Tests: "platform/telemetry/store"},
		{Folder: "platform/telemetry/query", May: "problem platform/diagnose platform/telemetry/signal platform/telemetry/tree platform/telemetry/graph", Tests: "platform/telemetry/store"},
		{Folder: "platform/dashboard/...", May: "problem platform/dashboard/...", Tests: chapters + " platform/telemetry/... platform/diagnose platform/ops"},
		{Folder: "platform/control/...", May: library + " drivers/otlp platform/diagnose platform/telemetry/... platform/dashboard/... platform/ops platform/fleet/... platform/registry/... platform/control/...", Tests: ""},
		{Folder: "platform/gateway/...", May: chapters + " platform/gateway/...", Tests: chapters},
		{Folder: "platform/gateway/filter/limit/...", May: chapters + " platform/gateway/filter platform/gateway/filter/keyed platform/gateway/filter/limit/... drivers/nats/kv", Tests: "drivers/nats/natstest"},
		{Folder: "platform/gateway/filter/quota", May: chapters + " platform/gateway/filter platform/gateway/filter/keyed drivers/nats/kv", Tests: "drivers/nats/natstest"},
		{Folder: "platform/supervise/...", May: chapters + " platform/fleet/... platform/supervise/...", Tests: chapters + " platform/registry/..."},
		{Folder: "platform/ops", May: chapters + " platform/supervise/...", Tests: "drivers/sqlite platform/ops/calltable"},
		{Folder: "platform/ops/calltable", May: chapters + " platform/ops", Tests: ""},
		{Folder: "platform/ops/partners", May: chapters + " platform/ops", Tests: "platform/supervise/... drivers/sqlite"},
		{Folder: "platform/ops/topics", May: chapters + " platform/ops", Tests: "platform/supervise/..."},
		{Folder: "platform/ops/models", May: chapters + " platform/ops", Tests: "platform/supervise/... drivers/sqlite"},
		{Folder: "platform/ops/followed", May: chapters + " platform/ops", Tests: "drivers/sqlite"},
		{Folder: "platform/gen/...", May: "platform/gen/..."},
		{Folder: "platform/preflight/...", May: chapters + " platform/fleet/... platform/supervise/...", Tests: chapters},
		{Folder: "platform/load/...", May: "problem strictyaml call/resilience platform/load/...", Tests: chapters},
		{Folder: "platform/drill/...", May: library + " drivers/... platform/load/... platform/local platform/ops platform/preflight platform/drill/... " + engines, Tests: ""},
		{Folder: "platform/cmd/muster/...", May: library + " drivers/... platform/... shop/...", Tests: "mustertest/..."},

		// The shop: a service knows the contracts of the others, never their code.
		{Folder: "shop/...", May: library + " drivers/... " + stage, Tests: "shop/... mustertest/..."},
		{Folder: "shop/orders", May: library + " drivers/... shop/orders/sold " + stage, Tests: "shop/... mustertest/..."},
		{Folder: "shop/internal/...", May: library + " drivers/..."},
		{Folder: "shop/proto/...", May: ""},
		{Folder: "shop/clock", May: "", Tests: "data/... shop/internal/..."},
		{Folder: "shop/events", May: "bus bus/asyncapi"},
		{Folder: "shop/query", May: chapters, Tests: "shop/internal/..."},
		{Folder: "shop/answers", May: ""},
		{Folder: "shop/background", May: chapters},
		{Folder: "shop/shopper", May: chapters + " " + stage, Tests: "shop/... mustertest/..."},
		{Folder: "shop/verify", May: chapters + " shop/shopper shop/catalog " + stage, Tests: "shop/... mustertest/..."},
		{Folder: "shop/cmd/...", May: library + " drivers/... shop/..."},

		// Above the platform: the kit for tests, and what measures the binary from outside.
		{Folder: "mustertest/...", May: library + " drivers/... mustertest/... " + engines, Tests: "shop/..."},
		{Folder: "proof/...", May: library + " drivers/... shop/... mustertest/... proof/... " + engines},
		{Folder: "bench/...", May: "problem call/... bus/... data/... drivers/... bench/..."},
	}
}

// Exceptions lists the places that keep package state or an init function, each
// with its reason: "folder.name". An entry nothing needs any more is a finding.
func Exceptions() map[string]string {
	return map[string]string{
		// The tests of one program share a server, and package testing has no value to keep it in.
		"drivers/postgres/pgtest.mu":      "guards running",
		"drivers/postgres/pgtest.running": "the server",
		"drivers/postgres/pgtest.serial":  "numbers its databases",
		"drivers/mysql/mysqltest.mu":      "guards running",
		"drivers/mysql/mysqltest.running": "the server",
	}
}

// floorOf returns the row that counts for folder.
func floorOf(floors []Floor, folder string) (Floor, bool) {
	best, found := Floor{}, false
	for _, f := range floors {
		if matches(f.Folder, folder) && (!found || len(f.Folder) > len(best.Folder)) {
			best, found = f, true
		}
	}
	return best, found
}

// allows reports whether the row lets its packages import folder; a package may
// always import itself, which is what its external tests do.
func (f Floor) allows(from, to string, test bool) bool {
	patterns := strings.Fields(f.May)
	if test {
		patterns = append(patterns, strings.Fields(f.Tests)...)
	}
	return from == to || slices.ContainsFunc(patterns, func(p string) bool { return matches(p, to) })
}

// matches reports whether folder is, or for a "..." pattern lies in, pattern.
func matches(pattern, folder string) bool {
	tree, deep := strings.CutSuffix(pattern, "/...")
	return tree == folder || deep && strings.HasPrefix(folder, tree+"/")
}
