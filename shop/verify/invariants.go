package verify

// invariants returns the rows of the proof. Each search is a plain comparison of
// what one store says with another, with a constant, or with what shoppers were told.
func invariants() []invariant {
	return []invariant{
		{"the catalogue is as it was generated", catalogUnchanged},

		{"the same key twice is one cart line", oneLineAKey},
		{"an acknowledged cart line is there once", linesKept},
		{"a cart line is sold once", lineSoldOnce},
		{"what was sold is out of its cart", cartsCleared},

		{"stock is never negative", neverNegative},
		{"initial stock = free + reserved + sold", nothingLost},
		{"reserved stock = the pieces of live leases", reservedIsLeased},
		{"sold stock = the lines of confirmed orders", soldIsOrdered},
		{"a confirmed order has one confirmed reservation of its lines", confirmedIsReserved},
		{"a failed order has none, and no reservation is without its order", nothingLeftBehind},

		{"the same key twice is one order", oneOrderAKey},
		{"an accepted order is there", ordersKept},
		{"every order ends", everyOrderEnds},
		{"what a shopper was told of an order's end stays so", endsKept},
		{"an order whose cancellation was accepted is not confirmed", cancellationsKept},
		{"an order costs what its lines cost", totals},

		{"captured - refunded = the total of confirmed orders", moneyIsRight},
		{"an order is charged once at most and refunded once at most", chargedOnce},
		{"a confirmed order is paid, of any other nothing is kept", paidAsOrdered},
		{"payments say what the card processor says", paymentsAgree},

		{"a confirmed order ships once, any other never", shippedOnce},
		{"an order's end is mailed once", mailedOnce},

		{"search finds what catalog, inventory and orders have, row for row", foundAsItIs},

		{"every saga ends and every lease is free", sagasEnd},
		{"an order ends as its saga does", sagasAgree},
		{"every event is published", outboxesEmpty},
		{"no event is parked or dead", nothingParked},
	}
}
