package nats

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	natsgo "github.com/nats-io/nats.go"
)

// asks matches answers to questions: one subscription for all of a connection.
type asks struct {
	prefix string

	mu   sync.Mutex
	next uint64
	open map[string]chan *natsgo.Msg
}

// question is one that was put and waits for its answer.
type question struct {
	asks   *asks
	reply  string
	answer chan *natsgo.Msg
}

func (a *asks) listen(conn *natsgo.Conn) error {
	a.prefix = conn.NewInbox() + "."
	a.open = map[string]chan *natsgo.Msg{}
	sub, err := conn.Subscribe(a.prefix+"*", func(m *natsgo.Msg) {
		token := strings.TrimPrefix(m.Subject, a.prefix)
		a.mu.Lock()
		answer := a.open[token]
		delete(a.open, token)
		a.mu.Unlock()
		if answer != nil {
			answer <- m
		}
	})
	if err != nil {
		return err
	}
	return sub.SetPendingLimits(-1, -1) // bounded by the questions
}

// put registers a question; its reply is the subject for the answer.
func (a *asks) put() *question {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.next++
	token := strconv.FormatUint(a.next, 36)
	q := &question{asks: a, reply: a.prefix + token, answer: make(chan *natsgo.Msg, 1)}
	a.open[token] = q.answer
	return q
}

func (q *question) drop() {
	q.asks.mu.Lock()
	delete(q.asks.open, strings.TrimPrefix(q.reply, q.asks.prefix))
	q.asks.mu.Unlock()
}

// wait returns the answer. errAway says that the connection was lost, errSilent that
// there was no answer in time, errNobody that nothing listens there: the question may
// have had its effect with the first two.
func (q *question) wait(ctx context.Context, down <-chan struct{}, patience <-chan time.Time) (*natsgo.Msg, error) {
	defer q.drop()
	select {
	case m := <-q.answer:
		if len(m.Data) == 0 && m.Header.Get("Status") == "503" {
			return nil, errNobody
		}
		return m, nil
	case <-down:
		return nil, errAway
	case <-patience:
		return nil, errSilent
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// ask puts one question and waits for the answer.
func (b *broker) ask(ctx context.Context, down <-chan struct{}, m *natsgo.Msg) (*natsgo.Msg, error) {
	q := b.asks.put()
	m.Reply = q.reply
	if err := b.conn.PublishMsg(m); err != nil {
		q.drop()
		return nil, err
	}
	patience := time.NewTimer(answerWait)
	defer patience.Stop()
	return q.wait(ctx, down, patience.C)
}
