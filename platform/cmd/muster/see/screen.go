// Package see shows on a terminal what telemetry tells: traces, logs, the map of services
// and why something was slow. It asks the engine control, or a muster dashboard, by HTTP.
package see

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Screen is what is written on.
type Screen struct {
	Out    io.Writer
	Width  int  // characters; lines of unlimited length are cut where they can be
	Colour bool // escape sequences are understood
}

// The widths of a screen that does not tell its own, and the least that is made use of.
const (
	usualWidth = 100
	leastWidth = 40
)

// NewScreen looks at where out leads: file is what is behind it, nil for none. Without
// a terminal there are no colours, nor with NO_COLOR or TERM=dumb; and $COLUMNS says how
// wide it is. env is os.Getenv.
func NewScreen(out io.Writer, file *os.File, env func(string) string) Screen {
	s := Screen{Out: out}
	if file != nil {
		s.Width = width(file)
	}
	s.Colour = s.Width > 0 && env("NO_COLOR") == "" && env("TERM") != "dumb"
	if n, err := strconv.Atoi(env("COLUMNS")); s.Width == 0 && err == nil {
		s.Width = n
	}
	if s.Width <= 0 {
		s.Width = usualWidth
	}
	s.Width = max(s.Width, leastWidth)
	return s
}

// style is how a text looks: the parameter of an SGR sequence (ECMA-48, 8.3.117).
type style string

// The styles.
const (
	plain  style = ""
	bold   style = "1"
	dim    style = "2"
	red    style = "31"
	yellow style = "33"
)

func (s Screen) paint(as style, text string) string {
	if !s.Colour || as == plain || text == "" {
		return text
	}
	return "\x1b[" + string(as) + "m" + text + "\x1b[0m"
}

func (s Screen) print(format string, args ...any) error {
	_, err := fmt.Fprintf(s.Out, format, args...)
	return err
}

// clean is a text on one line without control characters, which could make a terminal do
// what the sender of a span wants.
func clean(text string) string {
	bad := func(r rune) bool {
		return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == utf8.RuneError
	}
	if strings.IndexFunc(text, bad) < 0 {
		return text
	}
	return strings.Map(func(r rune) rune {
		if bad(r) {
			return ' '
		}
		return r
	}, text)
}

// cut is the beginning of a text, at most so many characters.
func cut(text string, most int) string {
	if most < 1 {
		return ""
	}
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most-1]) + "…"
}

// pad fills a text with spaces up to a width; to its left where right is set.
func pad(text string, wide int, right bool) string {
	room := strings.Repeat(" ", max(0, wide-utf8.RuneCountInString(text)))
	if right {
		return room + text
	}
	return text + room
}

// wrap breaks a text into lines of at most so many characters, between words.
func wrap(text string, most int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > most {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// column is one of a table.
type column struct {
	title string
	right bool
}

// table writes rows under titles. The last column is cut where the screen ends; paint
// gives a row's style.
func (s Screen) table(columns []column, rows [][]string, look func(row int) style) error {
	wide := make([]int, len(columns))
	titles := make([]string, len(columns))
	for i, c := range columns {
		titles[i], wide[i] = c.title, utf8.RuneCountInString(c.title)
		for _, row := range rows {
			wide[i] = max(wide[i], utf8.RuneCountInString(row[i]))
		}
	}
	line := func(row []string) string {
		var b strings.Builder
		used := 0
		for i, text := range row {
			if i == len(row)-1 {
				b.WriteString(cut(text, max(20, s.Width-used)))
				break
			}
			b.WriteString(pad(text, wide[i], columns[i].right) + "  ")
			used += wide[i] + 2
		}
		return strings.TrimRight(b.String(), " ")
	}
	if err := s.print("%s\n", s.paint(dim, line(titles))); err != nil {
		return err
	}
	for i, row := range rows {
		if err := s.print("%s\n", s.paint(look(i), line(row))); err != nil {
			return err
		}
	}
	return nil
}

// at turns milliseconds since 1970 into a moment, local time.
func at(ms float64) time.Time { return time.UnixMicro(int64(ms * 1000)) }

func clock(ms float64) string { return at(ms).Format("15:04:05.000") }

// count is a number with its noun: "1 span", "2 spans".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
