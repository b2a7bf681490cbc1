// Package events is the contract of the events that the shop's services send one
// another: the topics and the data of each, written as JSON. Everything is ordered by
// the order it is about. Services import this package, never one another.
package events

import "github.com/musterdev/muster/bus"

// What orders asks of payments, and what payments answers.
var (
	PaymentRequested = bus.Topic[PaymentRequest]{Name: "payments.requested"}
	PaymentCaptured  = bus.Topic[Payment]{Name: "payments.captured"}
	PaymentDeclined  = bus.Topic[Refusal]{Name: "payments.declined"}
	RefundRequested  = bus.Topic[RefundRequest]{Name: "payments.refund-requested"}
	PaymentRefunded  = bus.Topic[Refund]{Name: "payments.refunded"}
)

// What orders asks of shipping, and what shipping answers.
var (
	ShippingRequested = bus.Topic[Shipment]{Name: "shipping.requested"}
	ParcelBooked      = bus.Topic[Parcel]{Name: "shipping.booked"}
)

// What orders tells everybody.
var (
	OrderConfirmed = bus.Topic[Confirmation]{Name: "orders.confirmed"}
	OrderFailed    = bus.Topic[Failure]{Name: "orders.failed"}
)

// PaymentRequest asks for the money of an order.
type PaymentRequest struct {
	Order string `json:"order"`
	Cents int64  `json:"cents"`
}

// Payment says that the money of an order was captured.
type Payment struct {
	Order  string `json:"order"`
	Charge string `json:"charge"` // the card processor's name of it
	Cents  int64  `json:"cents"`
}

// Refusal says that the money of an order will not come.
type Refusal struct {
	Order  string `json:"order"`
	Reason string `json:"reason"`
}

// RefundRequest asks to give the money of an order back, if any was captured, and to
// capture none from now on.
type RefundRequest struct {
	Order string `json:"order"`
}

// Refund says that the money of an order is back.
type Refund struct {
	Order string `json:"order"`
	Cents int64  `json:"cents"` // 0: none had been captured
}

// Shipment asks for the parcel of an order.
type Shipment struct {
	Order  string `json:"order"`
	Pieces int64  `json:"pieces"`
}

// Parcel says that the parcel of an order is on its way.
type Parcel struct {
	Order  string `json:"order"`
	Parcel string `json:"parcel"`
}

// Confirmation says that an order is paid and shipped.
type Confirmation struct {
	Order string `json:"order"`
	Cart  string `json:"cart"`
	Cents int64  `json:"cents"`
}

// Failure says that an order came to nothing, and that nothing of it is left.
type Failure struct {
	Order  string `json:"order"`
	Cart   string `json:"cart"`
	Reason string `json:"reason"`
}
