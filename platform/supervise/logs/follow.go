package logs

import "fmt"

// Follower receives live lines. One that reads too slowly loses lines and is
// told how many.
type Follower struct {
	book    *Book
	service string
	lines   chan Line
	lost    int // guarded by book.mu
}

// Lines returns the channel of lines, which ends after Close.
func (f *Follower) Lines() <-chan Line { return f.lines }

// Close ends the following. Closing twice is allowed.
func (f *Follower) Close() {
	f.book.mu.Lock()
	defer f.book.mu.Unlock()
	if f.book.followers[f] {
		delete(f.book.followers, f)
		close(f.lines)
	}
}

// offer hands over one line if there is room; the book's lock is held.
func (f *Follower) offer(line Line) {
	if f.lost > 0 {
		gap := line
		gap.Text = fmt.Sprintf("... %d lines left out: the reader is too slow; see the files ...", f.lost)
		select {
		case f.lines <- gap:
			f.lost = 0
		default:
		}
	}
	select {
	case f.lines <- line:
	default:
		f.lost++
	}
}
