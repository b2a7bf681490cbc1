package logs

import (
	"bytes"
	"fmt"
	"sync"
)

// Log takes what one instance prints, life after life. It is safe for concurrent use.
type Log struct {
	book     *Book
	service  string
	instance string

	mu      sync.Mutex
	file    *rotating
	life    ring
	partial []byte // the line that has no end yet
	cut     int    // bytes of it beyond maxLine
}

// Write takes a piece of output. It always takes all of it and never fails: a
// full disk costs the file, not the child.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.file.write(p)
	var lines []Line
	for rest := p; len(rest) > 0; {
		piece, after, ended := bytes.Cut(rest, []byte{'\n'})
		rest = after
		room := max(0, maxLine-len(l.partial))
		l.partial = append(l.partial, piece[:min(len(piece), room)]...)
		l.cut += max(0, len(piece)-room)
		if ended {
			lines = append(lines, l.finish())
		}
	}
	l.book.publish(lines)
	return len(p), nil
}

// finish makes a Line of what was gathered; the lock is held.
func (l *Log) finish() Line {
	text := string(bytes.TrimSuffix(l.partial, []byte{'\r'}))
	if l.cut > 0 {
		text += fmt.Sprintf(" ... (%d bytes more)", l.cut)
	}
	l.partial, l.cut = l.partial[:0], 0
	line := Line{Time: l.book.now(), Service: l.service, Instance: l.instance, Text: text}
	l.life.add(line)
	return line
}

// Begin starts a new life: Last forgets the lines of the one before. The note
// goes into the file, between the lives.
func (l *Log) Begin(note string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flush()
	l.life.reset()
	l.file.write(fmt.Appendf(nil, "--- %s %s\n", l.book.now().UTC().Format("2006-01-02T15:04:05.000Z"), note))
}

// Last returns the last lines of the present life, at most 50, the one without
// an end included.
func (l *Log) Last() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	texts := make([]string, 0, len(l.life.lines)+1)
	for _, line := range l.life.lines {
		texts = append(texts, line.Text)
	}
	if len(l.partial) > 0 {
		texts = append(texts, string(l.partial))
	}
	return texts[max(0, len(texts)-lifeLines):]
}

// Path returns the file that is written now.
func (l *Log) Path() string { return l.file.path }

// Close writes the line that has no end and closes the file.
func (l *Log) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flush()
	l.file.close()
	l.book.gone(l.service, l.file.path)
}

// flush ends a line that has no end; the lock is held.
func (l *Log) flush() {
	if len(l.partial) > 0 {
		l.file.write([]byte{'\n'})
		l.book.publish([]Line{l.finish()})
	}
}
