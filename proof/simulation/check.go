package simulation

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/musterdev/muster/proof/simulation/database"
)

// watches are triggers that write down what must not be, the moment that it is.
var watches = []string{
	`CREATE TABLE violation (what TEXT NOT NULL)`,
	`CREATE TRIGGER fence_of_saga BEFORE UPDATE ON muster_saga WHEN NEW.fence < OLD.fence BEGIN
		INSERT INTO violation VALUES ('the fence of ' || OLD.id || ' went from ' || OLD.fence || ' back to ' || NEW.fence); END`,
	`CREATE TRIGGER end_of_saga BEFORE UPDATE ON muster_saga WHEN OLD.state IN ('completed', 'compensated') AND NEW.state <> OLD.state BEGIN
		INSERT INTO violation VALUES (OLD.id || ' was ' || OLD.state || ' and is ' || NEW.state); END`,
	`CREATE TRIGGER fence_of_lease BEFORE UPDATE ON muster_lease WHEN NEW.fence < OLD.fence BEGIN
		INSERT INTO violation VALUES ('the fence of the lease ' || OLD.name || ' went back'); END`,
}

// Did looks at a statement of a transaction: only who holds the relay's lease deletes from the outbox.
func (p *Process) Did(s *database.Store, query string) {
	if !strings.HasPrefix(query, "DELETE FROM muster_outbox") || !s.Writes(p) {
		return
	}
	if owner := strings.Join(p.world.ask(s, `SELECT owner FROM muster_lease WHERE name = 'outbox'`), " "); owner != p.name {
		p.world.say("%s deletes from the outbox of %s, whose lease %s holds", p.name, s.Name, owner)
	}
}

// open says what has not ended, "" for nothing. Nobody writes meanwhile.
func (w *World) open() string {
	for _, c := range w.clients {
		if len(c.answers) == 0 {
			return c.request + ", which nobody has answered"
		}
	}
	var open []string
	for _, q := range []struct {
		store       *database.Store
		what, query string
	}{
		{w.orders, "a saga that runs", `SELECT id || ' ' || state || ' at ' || step || ' ' || error FROM muster_saga WHERE state NOT IN ('completed', 'compensated') OR owner <> ''`},
		{w.orders, "an event of the orders to be published", `SELECT topic || ' ' || key FROM muster_outbox`},
		{w.partners, "an event of the partners to be published", `SELECT topic || ' ' || key FROM muster_outbox`},
		{w.orders, "a message parked by the orders", `SELECT topic || ' ' || key || ' ' || error FROM muster_parked`},
		{w.partners, "a message parked by the partners", `SELECT topic || ' ' || key || ' ' || error FROM muster_parked`},
	} {
		for _, row := range w.ask(q.store, q.query) {
			open = append(open, fmt.Sprintf("%s: %v", q.what, row))
		}
	}
	soon, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	groups, err := w.broker.Groups(soon)
	if err != nil {
		return err.Error()
	}
	for _, g := range groups {
		if g.Lag > 0 {
			open = append(open, fmt.Sprintf("%d messages for %s", g.Lag, g.Name))
		}
	}
	return strings.Join(open, "; ")
}

// ask returns rows as nobody's process sees them, each as one line.
func (w *World) ask(s *database.Store, query string) []string {
	lines, err := s.Ask(query)
	if err != nil {
		return []string{err.Error()}
	}
	return lines
}

// none says of each row that a query finds what it is.
func (w *World) none(s *database.Store, what, query string) {
	for _, line := range w.ask(s, query) {
		w.say("%s: %s", what, line)
	}
}

// check says all that is not as it must be after a history.
func (w *World) check() {
	w.none(w.orders, "violation", `SELECT what FROM violation`)
	w.none(w.orders, "an order whose saga is not there or came to something else", `SELECT o.id, o.state, coalesce(s.state, 'none') FROM orders o LEFT JOIN muster_saga s ON s.id = o.id WHERE o.state <> s.state OR s.id IS NULL`)
	w.none(w.orders, "a saga without its order", `SELECT s.id FROM muster_saga s LEFT JOIN orders o ON s.id = o.id WHERE o.id IS NULL`)
	w.none(w.orders, "a request with several orders", `SELECT request, count(*) FROM orders GROUP BY request HAVING count(*) <> 1`)
	w.none(w.orders, "steps of a completed order that were not done exactly once (id, confirmed, completed, compensated, gifts)",
		`SELECT o.id, confirmed, completed, compensated, gifts FROM orders o WHERE state = 'completed' AND (confirmed <> 1 OR completed <> 1 OR compensated <> 0 OR gifts > 1)`)
	w.none(w.orders, "steps of a compensated order that were done (id, confirmed, completed, compensated, gifts)",
		`SELECT o.id, confirmed, completed, compensated, gifts FROM orders o WHERE state = 'compensated' AND (confirmed <> 0 OR completed <> 0 OR compensated <> 1 OR gifts <> 0)`)
	for _, c := range w.clients {
		for _, id := range c.answers {
			if got := strings.Join(w.ask(w.orders, `SELECT id FROM orders WHERE request = '`+c.request+`'`), " "); got != id {
				w.say("%s was told that its order is %s: there is %s", c.request, id, got)
			}
		}
	}
	completed := map[string][3]int{}
	for _, line := range w.ask(w.orders, `SELECT id, state = 'completed', amount, pieces, seq FROM orders`) {
		var id string
		var done, amount, pieces, seq int
		if _, err := fmt.Sscan(line, &id, &done, &amount, &pieces, &seq); err != nil {
			w.say("orders: %s: %v", line, err)
			continue
		}
		completed[id] = [3]int{done, amount, pieces}
		w.heard(id, seq)
		w.effects(id, done, amount, pieces)
	}
	paid, taken := 0, 0
	for _, o := range completed {
		paid, taken = paid+o[0]*o[1], taken+o[0]*o[2]
	}
	w.equal("the stock", `SELECT free FROM stock`, w.plan.stock-taken)
	w.equal("the shop's money", `SELECT balance FROM account WHERE owner = 'shop'`, paid)
	w.equal("the customer's money", `SELECT balance FROM account WHERE owner = 'customer'`, wealth-paid)
	w.none(w.partners, "less than nothing", `SELECT 'stock' FROM stock WHERE free < 0 UNION ALL SELECT owner FROM account WHERE balance < 0`)
}

func (w *World) equal(what, query string, want int) {
	if got := strings.Join(w.ask(w.partners, query), " "); got != fmt.Sprint(want) {
		w.say("%s: %s, want %d", what, got, want)
	}
}

// effects are those that the partners have of one order.
func (w *World) effects(id string, done, amount, pieces int) {
	of := ` FROM %s WHERE order_id = '` + id + `'`
	w.equal("what "+id+" paid", `SELECT coalesce(sum(amount), 0)`+fmt.Sprintf(of, "ledger"), done*amount)
	w.equal("charges of "+id+" beyond one", `SELECT max(0, count(*) - 1)`+fmt.Sprintf(of, "ledger")+` AND amount > 0`, 0)
	w.equal("what is reserved for "+id, `SELECT coalesce(sum(pieces), 0)`+fmt.Sprintf(of, "reservation"), done*pieces)
	w.equal("mails for "+id, `SELECT count(*)`+fmt.Sprintf(of, "mail"), done)
}

// heard wants that the stock heard all events of an order, each once, in their order.
func (w *World) heard(id string, seq int) {
	var want []string
	for i := 1; i <= seq; i++ {
		want = append(want, fmt.Sprint(i))
	}
	if got := w.ask(w.partners, `SELECT seq FROM heard WHERE order_id = '`+id+`' ORDER BY n`); strings.Join(got, " ") != strings.Join(want, " ") {
		w.say("the events of %s were heard in the order %v; there are %d", id, got, seq)
	}
}
