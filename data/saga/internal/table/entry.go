package table

import (
	"encoding/json"
	"strings"
	"time"
)

// State is where a saga stands.
type State string

// The states. Completed and Compensated are final.
const (
	Running      State = "running"      // its steps are being done
	Waiting      State = "waiting"      // for the answer to a step
	Compensating State = "compensating" // its steps are being undone
	Paused       State = "paused"       // a mistake stopped it: a person is to look
	Completed    State = "completed"
	Compensated  State = "compensated"
)

// Entry is a saga as it is in the table.
type Entry struct {
	Name        string    `json:"name"`
	ID          string    `json:"id"`
	Version     int       `json:"version"`
	State       State     `json:"state"`
	Undoing     bool      `json:"undoing"`  // it goes back: what waits or is paused is an Undo
	Step        string    `json:"step"`     // at hand; "end" when none is left
	Attempts    int       `json:"attempts"` // of the step that failed
	Doubt       bool      `json:"doubt"`    // an attempt of the step may have had an effect
	Fence       int64     `json:"fence"`
	Seq         int64     `json:"seq"`             // grows with all that happens to it: see Engine.Edit
	Lost        int       `json:"lost,omitempty"`  // of its last holders, in a row: those that ended in the middle of the step
	Owner       string    `json:"owner,omitempty"` // which engine holds it
	LeasedUntil time.Time `json:"leased_until,omitzero"`
	NextAt      time.Time `json:"next_at,omitzero"`
	Reason      string    `json:"reason,omitempty"` // why it is compensated
	Error       string    `json:"error,omitempty"`  // of the step's last attempt
	Created     time.Time `json:"created"`
	Updated     time.Time `json:"updated"`
	TraceParent string    `json:"trace_parent,omitempty"`
	Loadable    bool      `json:"loadable"` // this build knows its version
}

// Detail is an Entry with all that is known of it.
type Detail struct {
	Entry

	Data    json.RawMessage `json:"data"` // JSON; of a protobuf message a string in base64
	History []Event         `json:"history"`
}

// Event is one thing that happened to a saga. Of attempts that fail the first three
// are kept, then each tenth.
type Event struct {
	Seq       int64     `json:"seq"`
	Step      string    `json:"step"`
	Direction string    `json:"direction"` // do, undo
	Outcome   string    `json:"outcome"`   // started, done, waits, rejected, retry, unknown, fault, bug; by people: retried, skipped, compensated, paused, resumed, edited
	Error     string    `json:"error,omitempty"`
	By        string    `json:"by,omitempty"`
	Why       string    `json:"why,omitempty"`
	At        time.Time `json:"at"`
}

// Filter selects sagas. Its zero value selects all.
type Filter struct {
	Name  string
	State State
	Limit int // at most so many; 0: 100; at most 1000
}

// Count is how many sagas of a name and version are in a state.
type Count struct {
	Name     string `json:"name"`
	Version  int    `json:"version"`
	State    State  `json:"state"`
	Sagas    int64  `json:"sagas"`
	Loadable bool   `json:"loadable"`
}

// entryOf is a row as it is shown; known: this build can carry it on.
func entryOf(r Row, known bool) Entry {
	en := Entry{
		Name: r.Name, ID: r.ID, Version: r.Version, State: r.State, Undoing: r.Undoing, Step: r.Step, Attempts: r.Attempts, Doubt: r.Doubt,
		Fence: r.Fence, Seq: r.Seq, Lost: r.Lost, Owner: r.Owner, Reason: r.Reason, Error: r.Err, Created: time.UnixMilli(r.Created).UTC(), Updated: time.UnixMilli(r.Changed).UTC(),
		Loadable: known,
	}
	en.TraceParent, _, _ = strings.Cut(r.Trace, " ") // behind it is the tracestate
	if r.Owner != "" {
		en.LeasedUntil = time.UnixMilli(r.Leased).UTC()
	}
	if r.State == Running || r.State == Compensating {
		en.NextAt = time.UnixMilli(r.Next).UTC()
	}
	return en
}

// readable is the recorded data as JSON.
func readable(data []byte) json.RawMessage {
	if len(data) > 1 && data[0] == asJSON && json.Valid(data[1:]) {
		return data[1:]
	}
	text, _ := json.Marshal(data) //nolint:errchkjson // bytes can be written
	return text
}
