package accesslog

import (
	"fmt"
	"os"
)

// maxFile is how large a log's file becomes before the next is begun. One full file
// is kept beside it, as NAME.1.
const maxFile = 64 << 20

// File is a log's file that cannot grow without bound. It is not for concurrent use;
// a Log writes from one goroutine.
type File struct {
	path string
	max  int64
	file *os.File // nil after a failure; the next write tries again
	size int64
}

// OpenFile opens a file for appending and makes it when it is missing.
func OpenFile(path string) (*File, error) {
	f := &File{path: path, max: maxFile}
	if err := f.open(); err != nil {
		return nil, fmt.Errorf("open the access log: %w", err)
	}
	return f, nil
}

func (f *File) open() error {
	file, err := os.OpenFile(f.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		_ = file.Close()
		return err
	}
	f.file, f.size = file, info.Size()
	return nil
}

// Write appends whole lines, to a new file when this one is full.
func (f *File) Write(lines []byte) (int, error) {
	if f.size > 0 && f.size+int64(len(lines)) > f.max {
		if err := f.Close(); err != nil {
			return 0, err
		}
		if err := os.Rename(f.path, f.path+".1"); err != nil {
			return 0, err
		}
		f.size = 0
	}
	if f.file == nil {
		if err := f.open(); err != nil {
			return 0, err
		}
	}
	n, err := f.file.Write(lines)
	f.size += int64(n)
	return n, err
}

// Close closes the file.
func (f *File) Close() error {
	if f.file == nil {
		return nil
	}
	err := f.file.Close()
	f.file = nil
	return err
}
