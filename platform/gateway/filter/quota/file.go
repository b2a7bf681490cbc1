package quota

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/musterdev/muster/platform/gateway/filter"
)

// file keeps counts in a file to which lines are added, the last of a key being its count.
// A line that was not written to its end, as by a crash, is as none.
type file struct {
	path  string
	out   *os.File
	lines int
}

// line is a count as it stands in the file.
type line struct {
	Rule   string `json:"rule"`
	Key    []byte `json:"key"`
	Window int64  `json:"window"`
	Count  int64  `json:"count"`
}

const (
	maxLine  = 4096
	minLines = 10_000 // a file with fewer lines is left as it is
)

// pathOf returns where the counts are kept; "": nowhere.
func pathOf(told string, env filter.Env) string {
	if told == "" && env.Dir != "" {
		return filepath.Join(env.Dir, "quota-"+env.Name+".counts")
	}
	return told
}

// openFile reads the counts that still count into the rules' tables.
func openFile(path string, rules []*rule, now time.Time) (*file, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	content, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	byName := map[string]*rule{}
	for _, rl := range rules {
		byName[rl.Name] = rl
	}
	for text := range bytes.Lines(content) {
		if l, ok := parseLine(text); ok && byName[l.Rule] != nil {
			l.restore(byName[l.Rule], now)
		}
	}
	f := &file{path: path, lines: bytes.Count(content, []byte("\n"))}
	if err := f.open(); err != nil {
		return nil, err
	}
	if len(content) > 0 && content[len(content)-1] != '\n' { // what a crash left of a line ends here
		if _, err := f.out.Write([]byte("\n")); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// open opens the file to add to it.
func (f *file) open() (err error) {
	if f.out != nil {
		_ = f.out.Close() // what it had is there already
	}
	f.out, err = os.OpenFile(f.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	return err
}

func parseLine(text []byte) (l line, ok bool) {
	if len(text) == 0 || text[len(text)-1] != '\n' || len(text) > maxLine {
		return l, false
	}
	err := json.Unmarshal(text, &l)
	return l, err == nil && l.Count >= 0 && l.Count <= 2*maxCount
}

// restore puts a count into a table, when its window is the present one.
func (l line) restore(rl *rule, now time.Time) {
	begin, end := rl.Per.Around(now)
	if l.Window != begin.Unix() {
		return
	}
	s, e, own := rl.table.Lock(l.Key, now)
	defer s.Unlock()
	if own {
		*e = entry{window: l.Window, end: end.Unix(), total: l.Count, known: true}
	}
}

// append adds counts, and returns when they are with the operating system: a crash of this
// process loses nothing of them, one of the machine what its disk had not taken yet.
func (f *file) append(counts []gone) error {
	if f.out == nil {
		return errors.New("the file of counts is closed")
	}
	var b bytes.Buffer
	encode := json.NewEncoder(&b)
	for _, c := range counts {
		s, e, ok := c.rule.table.Find(c.key)
		if !ok {
			continue
		}
		l := line{c.rule.Name, []byte(c.key), c.window, e.total + c.fresh}
		same := e.window == c.window
		s.Unlock()
		if !same {
			continue
		}
		if err := encode.Encode(l); err != nil {
			return err
		}
		f.lines++
	}
	if !f.ours() {
		if err := f.open(); err != nil {
			return err
		}
	}
	_, err := f.out.Write(b.Bytes())
	return err
}

// compact writes the file anew once most of its lines count no more.
func (f *file) compact(rules []*rule, now time.Time) error {
	live := 0
	if f.lines < minLines {
		return nil
	}
	for _, rl := range rules {
		live += rl.table.Len()
	}
	if f.lines < 4*live {
		return nil
	}
	return f.rewrite(rules, now)
}

// ours reports whether the file is still the one that is open. After a change of the table
// the filter before and the one after have the same, for a moment, and one may write it anew.
func (f *file) ours() bool {
	mine, err1 := f.out.Stat()
	there, err2 := os.Stat(f.path)
	return err1 == nil && err2 == nil && os.SameFile(mine, there)
}

// rewrite puts a file with nothing but the present counts in the place of the old one.
func (f *file) rewrite(rules []*rule, now time.Time) error {
	tmp, err := os.CreateTemp(filepath.Dir(f.path), filepath.Base(f.path)+".*")
	if err != nil {
		return err
	}
	w := bufio.NewWriter(tmp)
	encode := json.NewEncoder(w)
	lines := 0
	for _, rl := range rules {
		begin, _ := rl.Per.Around(now)
		for key, e := range rl.table.Each() {
			if e.window != begin.Unix() || e.total == 0 {
				continue
			}
			if err = errors.Join(err, encode.Encode(line{rl.Name, []byte(key), e.window, e.total})); err != nil {
				break
			}
			lines++
		}
	}
	err = errors.Join(err, w.Flush(), tmp.Sync())
	if err == nil {
		err = os.Rename(tmp.Name(), f.path)
	}
	if err != nil {
		_ = tmp.Close()
		_ = os.Remove(tmp.Name())
		return fmt.Errorf("write the counts anew: %w", err)
	}
	if f.out != nil {
		_ = f.out.Close() // what it had is in the new one
	}
	f.out, f.lines = tmp, lines
	return nil
}

func (f *file) close() error {
	if f.out == nil {
		return nil
	}
	err := errors.Join(f.out.Sync(), f.out.Close())
	f.out = nil
	return err
}
