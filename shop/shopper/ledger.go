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

// Order is an order that was accepted, and what its shopper saw of it.
type Order struct {
	Key  string `json:"key"` // "" when it was placed without one
	Cart string `json:"cart"`
	ID   string `json:"id"`
	// State is the one seen last. Confirmed and Failed are final: they never change.
	State string `json:"state"`
	// Cancel is the status that the request to cancel it was answered with: 202, it
	// will not be confirmed; 409, it is too late. 0: nobody asked, or nothing is known.
	Cancel int `json:"cancel,omitempty"`

	lines int // it is of so many
}

// The states of an order.
const (
	Pending   = "pending"
	Confirmed = "confirmed"
	Failed    = "failed"
)

// Ended reports whether a state is final.
func Ended(state string) bool { return state == Confirmed || state == Failed }

func (l *Ledger) add(o Ledger) {
	l.Lines = append(l.Lines, o.Lines...)
	l.Orders = append(l.Orders, o.Orders...)
}
