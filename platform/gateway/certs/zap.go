package certs

import (
	"context"
	"log/slog"

	"go.uber.org/zap/zapcore"
)

// zapTo passes on at DEBUG what certmagic has to say. What an operator must know is told by
// its events, in one line.
type zapTo struct{ log *slog.Logger }

var _ zapcore.Core = zapTo{}

func (z zapTo) Enabled(zapcore.Level) bool {
	return z.log.Enabled(context.Background(), slog.LevelDebug)
}

func (z zapTo) With(fields []zapcore.Field) zapcore.Core {
	return zapTo{z.log.With(attributes(fields)...)}
}

func (z zapTo) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if z.Enabled(e.Level) {
		return ce.AddCore(e, z)
	}
	return ce
}

func (z zapTo) Write(e zapcore.Entry, fields []zapcore.Field) error {
	z.log.Debug("certmagic: "+e.Message, attributes(fields)...)
	return nil
}

func (zapTo) Sync() error { return nil }

func attributes(fields []zapcore.Field) []any {
	m := zapcore.NewMapObjectEncoder()
	for _, f := range fields {
		f.AddTo(m)
	}
	list := make([]any, 0, 2*len(m.Fields))
	for name, v := range m.Fields {
		list = append(list, name, v)
	}
	return list
}
