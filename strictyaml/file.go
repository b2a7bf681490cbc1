package strictyaml

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// ReadFile reads a whole file of at most maxSize bytes, and nothing but a plain
// file. Its errors do not name the file, as an Error does that at its head.
func ReadFile(path string, maxSize int64) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, errors.New("the file does not exist; go to its folder, or name it")
	case err != nil:
		return nil, fmt.Errorf("the file cannot be read: %w", bare(err))
	case info.IsDir():
		return nil, errors.New("this is a folder; name the file in it")
	case !info.Mode().IsRegular(): // a pipe would block, a device never end
		return nil, errors.New("this is not a plain file; name one")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("the file cannot be read: %w", bare(err))
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("the file cannot be read: %w", bare(err))
	case int64(len(data)) > maxSize:
		return nil, fmt.Errorf("the file is larger than %d KiB; split it", maxSize>>10)
	}
	return data, nil
}

// bare drops the operation and the path, which the message names already.
func bare(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}
