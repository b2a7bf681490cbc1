package bus

import "context"

type deliveryKey struct{}

// WithDelivery returns a context in which a message is being handled: what is made of
// it by [Topic.Msg] names it as the cause. The Consumer does it for its handlers.
func WithDelivery(ctx context.Context, d Delivery) context.Context {
	return context.WithValue(ctx, deliveryKey{}, d)
}

// FromContext returns the message that is being handled; ok is false outside of a
// handler.
func FromContext(ctx context.Context) (d Delivery, ok bool) {
	d, ok = ctx.Value(deliveryKey{}).(Delivery)
	return d, ok
}
