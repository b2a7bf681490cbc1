package logs

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func newBook(t *testing.T) *Book {
	t.Helper()
	b, err := NewBook(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var ticks int64
	b.now = func() time.Time { ticks++; return time.Unix(ticks, 0) }
	return b
}

func open(t *testing.T, b *Book, service, instance string) *Log {
	t.Helper()
	l, err := b.Open(service, instance)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

func texts(lines []Line) (all []string) {
	for _, line := range lines {
		all = append(all, line.Text)
	}
	return all
}

func TestLinesAreCutAtAnyChunking(t *testing.T) {
	const out = "one\ntwo\r\n\nfour \xff\nno end"
	want := []string{"one", "two", "", "four \xff", "no end"}
	for size := 1; size <= len(out); size++ {
		l := open(t, newBook(t), "a", fmt.Sprint("a-", size))
		for chunk := range slices.Chunk([]byte(out), size) {
			if n, err := l.Write(chunk); n != len(chunk) || err != nil {
				t.Fatal(n, err)
			}
		}
		if got := l.Last(); !slices.Equal(got, want) {
			t.Errorf("chunks of %d: %q", size, got)
		}
		file, err := os.ReadFile(l.Path())
		if err != nil || string(file) != out {
			t.Errorf("chunks of %d: the file holds %q, %v", size, file, err)
		}
	}
}

func TestLongLineIsBounded(t *testing.T) {
	b := newBook(t)
	l := open(t, b, "a", "a-1")
	for range 10 {
		_, _ = l.Write(bytes.Repeat([]byte("x"), maxLine/2))
	}
	_, _ = l.Write([]byte("\nnext\n"))
	got := l.Last()
	if want := strings.Repeat("x", maxLine) + fmt.Sprintf(" ... (%d bytes more)", 4*maxLine); len(got) != 2 || got[0] != want || got[1] != "next" {
		t.Errorf("%d lines, the first of %d bytes", len(got), len(got[0]))
	}
}

func TestLastIsOfThePresentLife(t *testing.T) {
	l := open(t, newBook(t), "a", "a-1")
	for i := range 200 {
		fmt.Fprintf(l, "line %d\n", i)
	}
	if got := l.Last(); len(got) != 50 || got[0] != "line 150" || got[49] != "line 199" {
		t.Errorf("%d lines from %q", len(got), got[0])
	}
	fmt.Fprint(l, "cut off")
	l.Begin("started again")
	fmt.Fprintln(l, "new life")
	if got := l.Last(); !slices.Equal(got, []string{"new life"}) {
		t.Errorf("Last = %q", got)
	}
	file, _ := os.ReadFile(l.Path())
	if !strings.Contains(string(file), "cut off\n--- 1970-01-01T00:") || !strings.HasSuffix(string(file), "Z started again\nnew life\n") {
		t.Errorf("the file ends %q", file[len(file)-80:])
	}
}

func TestTailMergesInstancesAndServices(t *testing.T) {
	b := newBook(t)
	a1, a2, c := open(t, b, "a", "a-1"), open(t, b, "a", "a-2"), open(t, b, "c", "c-1")
	for i := range 3 {
		fmt.Fprintf(a1, "a1 %d\n", i)
		fmt.Fprintf(c, "c %d\n", i)
		fmt.Fprintf(a2, "a2 %d\n", i)
	}
	if got := texts(b.Tail("a", 3)); !slices.Equal(got, []string{"a2 1", "a1 2", "a2 2"}) {
		t.Errorf("a: %q", got)
	}
	if got := texts(b.Tail("", 4)); !slices.Equal(got, []string{"a2 1", "a1 2", "c 2", "a2 2"}) {
		t.Errorf("all: %q", got)
	}
	if got := b.Tail("nobody", 4); len(got) != 0 {
		t.Errorf("nobody: %q", got)
	}
	big := strings.Repeat("x", maxLine-1)
	for range 100 {
		fmt.Fprintln(c, big)
	}
	if r := b.services["c"]; r.bytes > serviceSize || len(r.lines) < 30 {
		t.Errorf("%d lines with %d bytes are kept", len(r.lines), r.bytes)
	}
}

func TestFollow(t *testing.T) {
	b := newBook(t)
	l, other := open(t, b, "a", "a-1"), open(t, b, "b", "b-1")
	fmt.Fprintln(l, "old")
	f := b.Follow("a", 10)
	fmt.Fprintln(other, "not for a")
	fmt.Fprintln(l, "new")
	if got := []string{(<-f.Lines()).Text, (<-f.Lines()).Text}; !slices.Equal(got, []string{"old", "new"}) {
		t.Errorf("followed %q", got)
	}
	for i := range followQueue + 77 { // more than it holds, and nobody reads: the child must not wait
		fmt.Fprintf(l, "flood %d\n", i)
	}
	for range 2 {
		<-f.Lines()
	}
	fmt.Fprintln(l, "after")
	f.Close()
	f.Close()
	got := texts(slices.Collect(func(yield func(Line) bool) {
		for line := range f.Lines() {
			if !yield(line) {
				return
			}
		}
	}))
	if n := len(got); got[n-1] != "after" || !strings.Contains(got[n-2], " 7") || !strings.Contains(got[n-2], "lines left out") {
		t.Errorf("the last lines are %q", got[n-3:])
	}
	fmt.Fprintln(l, "nobody follows")
}

func TestRotation(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a-1.log")
	r, err := openRotating(path, 100, 2)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		r.write(fmt.Appendf(nil, "%d%s\n", i, strings.Repeat("x", 58))) // one fits, two do not
	}
	r.close()
	for suffix, first := range map[string]byte{"": '9', ".1": '8', ".2": '7'} {
		b, err := os.ReadFile(path + suffix)
		if err != nil || b[0] != first || len(b) != 60 {
			t.Errorf("%s%s: %q, %v", path, suffix, b, err)
		}
	}
	if files, _ := os.ReadDir(dir); len(files) != 3 {
		t.Errorf("%d files", len(files))
	}
	r, err = openRotating(path, 100, 2)
	if err != nil || r.size != 60 {
		t.Fatalf("opened again with size %d, %v", r.size, err)
	}
	r.close()
}

func TestUnwritableFileDoesNotStopTheChild(t *testing.T) {
	b := newBook(t)
	l := open(t, b, "a", "a-1")
	l.file.close()
	l.file.path = filepath.Join(t.TempDir(), "no", "such", "folder", "a.log")
	if n, err := l.Write([]byte("still heard\n")); n != 12 || err != nil {
		t.Errorf("Write = %d, %v", n, err)
	}
	if got := l.Last(); !slices.Equal(got, []string{"still heard"}) {
		t.Errorf("Last = %q", got)
	}
}

func TestFilesOfTheGoneAreLimited(t *testing.T) {
	b := newBook(t)
	for i := range goneFiles + 5 {
		l, err := b.Open("a", fmt.Sprintf("a-%d", i))
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
	}
	files, _ := os.ReadDir(b.dir)
	if len(files) != goneFiles {
		t.Errorf("%d files, want %d", len(files), goneFiles)
	}
	if _, err := os.Stat(filepath.Join(b.dir, "a-4.log")); err == nil {
		t.Error("the oldest was kept")
	}
}

func ExampleBook() {
	dir, err := os.MkdirTemp("", "logs")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	book, err := NewBook(dir)
	if err != nil {
		fmt.Println(err)
		return
	}
	log, err := book.Open("orders", "orders-1")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer log.Close()
	fmt.Fprintln(log, "hello")
	for _, line := range book.Tail("orders", 10) {
		fmt.Println(line.Instance, line.Text)
	}
	// Output: orders-1 hello
}
