package shopper

// Ledger is what shoppers were promised: every answer here was received. A shop that
// lost or doubled any of it is wrong, whatever it says itself.
type Ledger struct {
	Lines  []Line  `json:"lines"`
	Orders []Order `json:"orders"`
}

// Line is a cart line whose adding was acknowledged.
type Line struct {
	Key      string `json:"key"` // "" when it was added without one
	Cart     string `json:"cart"`
	ID       string `json:"id"`
	Product  string `json:"product"`
	Quantity int    `json:"quantity"`
}

// Order is an order that was acknowledged as confirmed.
type Order struct {
	Key  string `json:"key"` // "" when it was placed without one
	Cart string `json:"cart"`
	ID   string `json:"id"`
}

func (l *Ledger) add(o Ledger) {
	l.Lines = append(l.Lines, o.Lines...)
	l.Orders = append(l.Orders, o.Orders...)
}
