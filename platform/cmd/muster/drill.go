package main

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/musterdev/muster/platform/cmd/muster/drills"
	"github.com/musterdev/muster/platform/cmd/muster/terminal"
)

// drillCmd breaks something on purpose.
type drillCmd struct {
	Rolling     drills.Rolling     `cmd:"" help:"Replace every replica again and again under load: no request may fail."`
	ControlDown drills.ControlDown `cmd:"" name:"control-down" help:"Keep control dead under load: no request may fail."`
	History     drills.History     `cmd:"" help:"Kill control again and again under load: what was seen before stays, and little is lost each time."`
	BrokerDown  drills.BrokerDown  `cmd:"" name:"broker-down" help:"Keep the broker dead under load: orders are taken on, none is lost, and a message that nobody can handle is found and mended."`
	Crash       drills.Crash       `cmd:"" help:"Kill, stop and restart everything again and again under load, and deliver events twice: nothing is lost and nothing done twice."`

	Reads   drills.Reads   `cmd:"" help:"Ask what three services know in three ways, at the same time: calls, copies and a read model; how long each takes, how old it is, and who fails while one is dead."`
	Rebuild drills.Rebuild `cmd:"" help:"Have search's read model made anew again and again under load: nobody finds less, and it is as the live one, row for row."`

	ServiceDown  drills.ServiceDown  `cmd:"" name:"service-down" help:"Kill and stop replicas under load: who may repeat a request sees nothing of it."`
	RegistryDown drills.RegistryDown `cmd:"" name:"registry-down" help:"Keep the registry dead under load while services restart, and let four of five replicas die when it is back."`
	Readdress    drills.Readdress    `cmd:"" help:"Move every instance to another port under load: no request may fail."`
	Partition    drills.Partition    `cmd:"" help:"Cut the way between two services under load: what needs it does with less, and all is well again at once."`
	NetworkDelay drills.NetworkDelay `cmd:"" name:"network-delay" help:"Make the way between two services long: what caching, batching, pooling, compression, events and placement each win."`

	Saga drills.Saga `cmd:"" help:"Crash the process that carries on a saga before and after everything it writes: each saga ends, and nothing is done twice."`

	RetryStorm   drills.RetryStorm   `cmd:"" name:"retry-storm" help:"Slow the last of three services down for a while: what is possible goes on, and all is well again at once."`
	TrafficSpike drills.TrafficSpike `cmd:"" name:"traffic-spike" help:"Let three times as many visitors come as three services can serve: the most important are served."`
	Overload     drills.Overload     `cmd:"" help:"Ask five times as much of the edge as it can do: it goes on doing nearly as much, the most important first and quickly, and refuses the others at once."`
	SlowReplica  drills.SlowReplica  `cmd:"" name:"slow-replica" help:"Slow one of ten replicas down: how long calls take, by the policy that chooses an instance."`

	Reload drills.Reload `cmd:"" help:"Change what the edge does a thousand times a minute, and put another process in its place, with thousands of streams open: nobody notices."`
}

// typed runs a command line as if a person had typed it.
func typed(ctx context.Context, args ...string) error {
	var said bytes.Buffer
	if run(ctx, args, terminal.Terminal{Out: io.Discard, Err: &said}) != exitOK {
		return fmt.Errorf("%s", bytes.TrimSpace(said.Bytes()))
	}
	return nil
}
