package logs

// ring keeps the last lines, at most rows of them and, when size is not 0, at
// most size bytes. Its owner guards it.
type ring struct {
	rows  int
	size  int
	bytes int
	lines []Line
}

func (r *ring) add(line Line) {
	r.lines = append(r.lines, line)
	r.bytes += len(line.Text)
	drop := 0
	for len(r.lines)-drop > r.rows || (r.size > 0 && r.bytes > r.size && len(r.lines)-drop > 1) {
		r.bytes -= len(r.lines[drop].Text)
		r.lines[drop] = Line{} // let its text go
		drop++
	}
	r.lines = r.lines[drop:]
}

func (r *ring) reset() { r.lines, r.bytes = nil, 0 }
