package outbox

import (
	"github.com/musterdev/muster/bus"
)

// waits is a message of the log on its way: to the broker, or back into the table.
type waits struct {
	row

	attributes string
	data       []byte
	notBefore  int64
	committed  int64
	after      Position
	done       bool // published
	back       bool // it belongs into the table
}

// waitingFor reads a message of the log.
func waitingFor(m Logged) waits {
	w := waits{attributes: m.Attributes, data: m.Data, committed: m.Committed.UnixMilli(), after: m.After}
	if w.data == nil {
		w.data = []byte{}
	}
	read := func(all map[string]string) (err error) {
		w.Msg, err = bus.FromAttributes(all, m.Data)
		return err
	}
	all, err := decode(m.Attributes)
	if err == nil {
		w.Topic, w.Key = all["type"], all["partitionkey"]
		if all["source"] == "" { // the table has it without
			all["source"] = "/"
			err = read(all)
			w.Source = ""
		} else {
			err = read(all)
		}
	}
	if err != nil {
		w.refused, w.back = err.Error(), true
	}
	if !w.NotBefore.IsZero() { // the table's look goes by the database's clock
		w.notBefore, w.back = max(w.NotBefore.UnixMilli(), 1), true
	}
	return w
}
