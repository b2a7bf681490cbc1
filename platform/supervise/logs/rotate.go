package logs

import (
	"fmt"
	"os"
)

// The bounds of an instance's files: x.log, x.log.1 and x.log.2.
const (
	maxFile   = 10 << 20 // bytes of a file before the next is begun
	keptFiles = 2        // full ones beside it
)

// rotating is a file that is put aside when it is full. Its owner guards it.
type rotating struct {
	path string
	max  int64
	kept int
	file *os.File // nil after an error: the next write tries again
	size int64
}

func openRotating(path string, limit int64, kept int) (*rotating, error) {
	r := &rotating{path: path, max: limit, kept: kept}
	return r, r.open()
}

func (r *rotating) open() error {
	f, err := os.OpenFile(r.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return err
	}
	r.file, r.size = f, info.Size()
	return nil
}

// write appends p. What cannot be written is lost: a log is not worth a service.
func (r *rotating) write(p []byte) {
	if r.size > 0 && r.size+int64(len(p)) > r.max {
		r.rotate()
	}
	if r.file == nil && r.open() != nil {
		return
	}
	n, err := r.file.Write(p)
	r.size += int64(n)
	if err != nil {
		r.close()
	}
}

// rotate puts the full file aside as .1, the one before as .2, and so on.
func (r *rotating) rotate() {
	r.close()
	for i := r.kept; i > 1; i-- {
		_ = os.Rename(fmt.Sprintf("%s.%d", r.path, i-1), fmt.Sprintf("%s.%d", r.path, i))
	}
	_ = os.Rename(r.path, r.path+".1")
	r.size = 0
}

func (r *rotating) close() {
	if r.file != nil {
		_ = r.file.Close()
		r.file = nil
	}
}

// removeRotating removes a file and those put aside.
func removeRotating(path string, kept int) {
	_ = os.Remove(path)
	for i := 1; i <= kept; i++ {
		_ = os.Remove(fmt.Sprintf("%s.%d", path, i))
	}
}
