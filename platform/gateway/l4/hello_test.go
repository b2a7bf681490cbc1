package l4

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"
)

// script is a connection on which these bytes come, so many at a time.
type script struct {
	net.Conn

	rest []byte
	size int
}

func (s *script) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), s.size)], s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// firstMessage is what a client sends first that asks for a name.
func firstMessage(name string) []byte {
	kept := &keep{}
	_ = tls.Client(kept, &tls.Config{ServerName: name, InsecureSkipVerify: true}).Handshake() // it gets no answer
	return kept.wrote
}

type keep struct {
	net.Conn

	wrote []byte
}

func (k *keep) Write(b []byte) (int, error) {
	k.wrote = append(k.wrote, b...)
	return len(b), nil
}

func (k *keep) Read([]byte) (int, error) { return 0, io.EOF }
func (k *keep) Close() error             { return nil }

// Whatever comes, and in whatever pieces: nothing that was read is lost, no more is read
// than is allowed, and the pieces make no difference to what is understood.
func FuzzReadHello(f *testing.F) {
	for _, name := range []string{"db.example.com", "a", "xn--bcher-kva.example", ""} {
		m := firstMessage(name)
		f.Add(m, 1)
		f.Add(append(m, "early data"...), 100)
		f.Add(m[:len(m)-1], 1000)
	}
	f.Add([]byte("GET / HTTP/1.1\r\n"), 3)
	f.Add([]byte{22, 3, 1, 0, 0, 22, 3, 1, 0, 1, 1}, 1)
	f.Add(append([]byte{22, 3, 1, 0xff, 0xff}, make([]byte, 4<<10)...), 512)
	f.Fuzz(func(t *testing.T, sent []byte, size int) {
		if size <= 0 {
			return
		}
		in := &script{rest: sent, size: size}
		got, err := readHello(in)
		if read := sent[:len(sent)-len(in.rest)]; !bytes.Equal(got.read, read) {
			t.Fatalf("%d bytes were read, %d are to be passed on", len(read), len(got.read))
		}
		if len(got.read) > maxHello {
			t.Fatalf("%d bytes were read", len(got.read))
		}
		if got.name != "" && !got.tls {
			t.Fatalf("the name %q without TLS", got.name)
		}
		whole, other := readHello(&script{rest: sent, size: len(sent) + 1})
		if whole.name != got.name || whole.tls != got.tls || (err == nil) != (other == nil) {
			t.Fatalf("in pieces of %d: %q, %v; whole: %q, %v", size, got.name, err, whole.name, other)
		}
		if err == nil && !got.tls && len(sent) > 0 && sent[0] == handshake {
			t.Fatal("what begins as TLS does was taken for something else")
		}
	})
}

func TestReadHello(t *testing.T) {
	for _, name := range []string{"db.example.com", "DB.Example.com", ""} {
		got, err := readHello(&script{rest: firstMessage(name), size: 10})
		if want := map[string]string{"DB.Example.com": "db.example.com"}[name]; err != nil || !got.tls || got.name != name && got.name != want {
			t.Errorf("%q: %+v, %v", name, got.name, err)
		}
	}
	if _, err := readHello(&script{}); !errors.Is(err, io.EOF) {
		t.Errorf("nothing: %v", err)
	}
	if _, err := readHello(&script{rest: append([]byte{22, 3, 1, 0, 20}, make([]byte, 20)...), size: 10}); !errors.Is(err, errHello) {
		t.Errorf("nonsense: %v", err)
	}
}
