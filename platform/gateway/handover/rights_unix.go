//go:build unix

package handover

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
)

// maxName is what a byte can say of a length.
const maxName = 255

// give sends each listener as the length of its name, with the listener beside, and the
// name; and an empty name at the end.
func give(c *net.UnixConn, list []Named) error {
	for _, one := range list {
		if n := len(one.Name); n == 0 || n > maxName {
			return fmt.Errorf("the name %q of a listener must have 1 to %d bytes", one.Name, maxName)
		}
		if err := giveOne(c, one); err != nil {
			return fmt.Errorf("%s: %w", one.Name, err)
		}
	}
	_, err := c.Write([]byte{0})
	return err
}

func giveOne(c *net.UnixConn, one Named) error {
	filer, ok := one.Listener.(interface{ File() (*os.File, error) })
	if !ok {
		return fmt.Errorf("a %T has no file to hand over", one.Listener)
	}
	file, err := filer.File() // a copy
	if err != nil {
		return err
	}
	defer file.Close()
	message := append([]byte{byte(min(len(one.Name), maxName))}, one.Name...)
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	err = raw.Control(func(fd uintptr) {
		_, _, sent = c.WriteMsgUnix(message, syscall.UnixRights(int(fd)), nil)
	})
	return errors.Join(err, sent)
}

// take receives what give sends.
func take(c *net.UnixConn) (_ map[string]net.Listener, err error) {
	list := map[string]net.Listener{}
	defer func() {
		if err != nil {
			for _, l := range list {
				_ = l.Close() // the other process has it too
			}
		}
	}()
	for {
		length, beside := make([]byte, 1), make([]byte, syscall.CmsgSpace(4))
		n, m, _, _, err := c.ReadMsgUnix(length, beside)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			return nil, io.ErrUnexpectedEOF
		}
		file, err := received(beside[:m])
		if err != nil {
			return nil, err
		}
		if length[0] == 0 {
			if file != nil {
				return nil, errors.Join(errors.New("a listener without a name"), file.Close())
			}
			return list, nil
		}
		if file == nil {
			return nil, errors.New("a name without a listener")
		}
		name := make([]byte, length[0])
		if _, err := io.ReadFull(c, name); err != nil {
			return nil, errors.Join(err, file.Close())
		}
		l, err := net.FileListener(file) // a copy
		if err = errors.Join(err, file.Close()); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if old := list[string(name)]; old != nil {
			return nil, errors.Join(fmt.Errorf("two listeners are called %s", name), l.Close())
		}
		list[string(name)] = l
	}
}

// received returns the one file beside a message, nil when there is none.
func received(beside []byte) (*os.File, error) {
	messages, err := syscall.ParseSocketControlMessage(beside)
	if err != nil || len(messages) == 0 {
		return nil, err
	}
	fds, err := syscall.ParseUnixRights(&messages[0])
	if err != nil || len(fds) == 0 {
		return nil, err
	}
	for _, fd := range fds {
		syscall.CloseOnExec(fd)
	}
	return os.NewFile(uintptr(fds[0]), "listener"), nil
}
