// Package bus carries events between services: an event is published to a topic and
// every group of consumers that subscribed to it gets it, in order for each key, at
// least once. An event is a CloudEvent 1.0.
//
// The package holds what is the same for every broker: the [Msg], typed [Topic]s, and
// the [Consumer], which decodes, traces, retries, and parks what cannot be handled.
// A [Broker] is a thin adapter to a real one: drivers/nats, or package memory for
// tests. What a broker cannot do by itself, as its [Caps] say, the Consumer does, once
// for all of them. Package bustest is the suite that every Broker passes.
//
// To publish together with a change in a database use package data/outbox; to have an
// effect once use data/inbox.
package bus
