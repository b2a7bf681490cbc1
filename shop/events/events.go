// Package events is the contract of the events that the shop's services send one
// another: the topics and the data of each, written as JSON. Everything is ordered by
// the order it is about, but for what catalog lists. Services import this package, never one another.
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

// What catalog and inventory tell everybody, for whoever keeps a copy. Both say how
// things are now, not what changed, so that one who has the last of them has all.
var (
	ProductsListed = bus.Topic[Listing]{Name: "catalog.listed"}
	StockAvailable = bus.Topic[Stock]{Name: "inventory.available"}
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
	Lines []Sale `json:"lines,omitempty"` // older events have none
}

// Sale is the pieces of one line of an order; another may be of the same product.
type Sale struct {
	Product string `json:"product"`
	Pieces  int64  `json:"pieces"`
}

// Failure says that an order came to nothing, and that nothing of it is left.
type Failure struct {
	Order  string `json:"order"`
	Cart   string `json:"cart"`
	Reason string `json:"reason"`
}

// Listing is what catalog sells, or a part of it. All listings have one key, and so one order.
type Listing struct {
	Products []Product `json:"products"`
}

// Product is one thing the shop sells.
type Product struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Category    string `json:"category"`
	Cents       int64  `json:"cents"`
	Description string `json:"description"`
}

// Stock says how many pieces are free of the products that it names, of which there may be
// others. Events of two reservations may come in any order: of each product the highest
// version counts.
type Stock struct {
	Levels []Level `json:"levels"`
}

// Level is how many pieces of one product nobody has reserved or bought.
type Level struct {
	Product string `json:"product"`
	Free    int64  `json:"free"`
	Version int64  `json:"version"` // counts the changes of the product's stock
}
