package broker

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
)

// logger is what the NATS server logs to. Its everyday notices are of no use beside
// the service's own.
type logger struct {
	log     *slog.Logger
	limited atomic.Bool // a message was refused for the store's limit; said every 10 s at most

	mu   sync.Mutex
	last string // fatal message
}

func (l *logger) Debugf(string, ...any)           {}
func (l *logger) Tracef(string, ...any)           {}
func (l *logger) Noticef(format string, v ...any) { l.say(slog.LevelDebug, format, v) }
func (l *logger) Warnf(format string, v ...any)   { l.say(slog.LevelWarn, format, v) }

// Errorf also notes that the limit was reached, which the server tells nobody else.
func (l *logger) Errorf(format string, v ...any) {
	if strings.Contains(format, "resource limits exceeded") {
		l.limited.Store(true)
	}
	l.say(slog.LevelError, format, v)
}

func (l *logger) say(level slog.Level, format string, v []any) {
	l.log.Log(context.Background(), level, "the NATS server said something", "said", fmt.Sprintf(format, v...))
}

// Fatalf notes why the server gives up; who started it ends the process or not.
func (l *logger) Fatalf(format string, v ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = fmt.Sprintf(format, v...)
}

func (l *logger) fatal() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}
