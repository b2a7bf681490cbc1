package cache

import (
	"context"

	"github.com/musterdev/muster/bus"
)

// Dropper is what OnEvent drops from: a Cache of anything.
type Dropper interface {
	Drop(ctx context.Context, keys ...string) error
}

// OnEvent returns a handler for the bus that drops, on each event of a topic, the keys
// that keys names of it. Where Shared cannot be told the event comes again. Handling an
// event twice or late does no harm: it costs a load.
//
// Given to App.On, one replica of the service gets each event; the others follow within
// Config.Near. For all of them to follow at once each replica takes the events as a group
// of its own: a bus.Consumer with Latest, whose Group says which replica it is. The
// broker keeps such a group for as long as it keeps any (drivers/nats: seven days after
// it was last asked), so its name should come back when the replica does.
func OnEvent[E any](c Dropper, topic bus.Topic[E], keys func(E) []string) bus.Handler {
	return bus.Typed(topic, func(ctx context.Context, _ bus.Delivery, event E) error {
		return c.Drop(ctx, keys(event)...)
	})
}
