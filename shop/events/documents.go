package events

import "github.com/musterdev/muster/bus/asyncapi"

// Payments is the AsyncAPI document of payments: what it sends and receives.
func Payments() *asyncapi.Document {
	return asyncapi.Handler(asyncapi.Info{Title: "Payments", Version: "1.0.0"},
		asyncapi.Receives(PaymentRequested, "The card is charged."),
		asyncapi.Sends(PaymentCaptured, ""),
		asyncapi.Sends(PaymentDeclined, ""),
		asyncapi.Receives(RefundRequested, "What was captured is given back, and nothing is captured any more."),
		asyncapi.Sends(PaymentRefunded, ""))
}

// Shipping is the AsyncAPI document of shipping.
func Shipping() *asyncapi.Document {
	return asyncapi.Handler(asyncapi.Info{Title: "Shipping", Version: "1.0.0"},
		asyncapi.Receives(ShippingRequested, "A parcel is booked, once an order."),
		asyncapi.Sends(ParcelBooked, ""))
}

// Orders is the AsyncAPI document of orders.
func Orders() *asyncapi.Document {
	return asyncapi.Handler(asyncapi.Info{Title: "Orders", Version: "1.0.0"},
		asyncapi.Sends(PaymentRequested, ""),
		asyncapi.Receives(PaymentCaptured, "The order goes on."),
		asyncapi.Receives(PaymentDeclined, "The order fails, and gives back what it has reserved."),
		asyncapi.Sends(RefundRequested, ""),
		asyncapi.Receives(PaymentRefunded, "An order that fails goes on doing so."),
		asyncapi.Sends(ShippingRequested, ""),
		asyncapi.Receives(ParcelBooked, "The order is confirmed."),
		asyncapi.Sends(OrderConfirmed, "It is paid, and its parcel booked."),
		asyncapi.Sends(OrderFailed, "Nothing of it is left."))
}

// Catalog is the AsyncAPI document of catalog.
func Catalog() *asyncapi.Document {
	return asyncapi.Handler(asyncapi.Info{Title: "Catalog", Version: "1.0.0"},
		asyncapi.Sends(ProductsListed, "All that is sold is told once, in parts."))
}

// Inventory is the AsyncAPI document of inventory.
func Inventory() *asyncapi.Document {
	return asyncapi.Handler(asyncapi.Info{Title: "Inventory", Version: "1.0.0"},
		asyncapi.Sends(StockAvailable, "How many pieces are free, told whenever that changes."))
}

// Search is the AsyncAPI document of search.
func Search() *asyncapi.Document {
	return asyncapi.Handler(asyncapi.Info{Title: "Search", Version: "1.0.0"},
		asyncapi.Receives(ProductsListed, "It can be found."),
		asyncapi.Receives(StockAvailable, "It is found with what is left of it."),
		asyncapi.Receives(OrderConfirmed, "What is bought often is found first."))
}
