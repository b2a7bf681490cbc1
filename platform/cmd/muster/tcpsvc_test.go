package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tcpsvc is a service that speaks a protocol of its own, and its client, for scripts. The
// ports they name are in a file: fill chose them.
func tcpsvc() {
	if err := tcpMain(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "tcpsvc:", err)
		os.Exit(1)
	}
}

func tcpMain(verb string, args []string) error {
	switch verb {
	case "serve":
		l, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT"))
		if err != nil {
			return err
		}
		return tcpServe(l)
	case "serve-tls":
		own, err := certificate()
		if err != nil {
			return err
		}
		l, err := tls.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT"), &tls.Config{Certificates: []tls.Certificate{own}})
		if err != nil {
			return err
		}
		return tcpServe(l)
	case "fill":
		return fill(args[0], args[1])
	case "dial":
		return tcpDial(args[0], args[1:]...)
	case "many":
		return many(args[0], args[1:]...)
	case "hold":
		return hold(args[0])
	case "kill-engine": // of the fleet whose `muster ps --json` is the input
		return killEngine(args[0])
	}
	return errors.New("unknown verb " + verb)
}

// tcpServe greets with the instance's name and process, and sends back what it is sent.
func tcpServe(l net.Listener) error {
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer func() { _ = c.Close() }() // its client has gone
			_, _ = fmt.Fprintf(c, "%s %d\n", os.Getenv("MUSTER_INSTANCE"), os.Getpid())
			_, _ = io.Copy(c, c)
		}()
	}
}

// certificate returns one that nobody should trust.
func certificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// fill writes a file with each @NAME in it replaced by what the variable NAME says, or a
// port that is free: the same one wherever the name stands. It looks below the ports that
// outgoing connections are given.
func fill(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	known, err := filled()
	if err != nil {
		return err
	}
	next := 10_000 + os.Getpid()%15_000
	for _, word := range bytes.FieldsFunc(text, func(r rune) bool { return r != '@' && (r < 'A' || r > 'Z') }) {
		name, marked := strings.CutPrefix(string(word), "@")
		if !marked || known[name] != 0 {
			continue
		}
		known[name], _ = strconv.Atoi(os.Getenv(name)) // not set: 0
		for ; known[name] == 0 && next < 32_000; next++ {
			if l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(next)); err == nil {
				_ = l.Close()
				known[name] = next
			}
		}
	}
	for _, name := range slices.Backward(slices.Sorted(maps.Keys(known))) {
		text = bytes.ReplaceAll(text, []byte("@"+name), []byte(strconv.Itoa(known[name])))
	}
	ports, err := json.Marshal(known)
	return errors.Join(err, os.WriteFile("ports", ports, 0o644), os.WriteFile(to, text, 0o644))
}

// filled returns the ports chosen so far.
func filled() (map[string]int, error) {
	known := map[string]int{}
	data, err := os.ReadFile("ports")
	if errors.Is(err, os.ErrNotExist) {
		return known, nil
	}
	if err != nil {
		return nil, err
	}
	return known, json.Unmarshal(data, &known)
}

const tcpWithin = 10 * time.Second

// greeted connects to a port, in TLS for a name, and returns who greets.
func greeted(port string, name ...string) (c net.Conn, instance string, pid int, err error) {
	ports, err := filled()
	if err != nil {
		return nil, "", 0, err
	}
	c, err = net.DialTimeout("tcp", "127.0.0.1:"+strconv.Itoa(ports[port]), tcpWithin)
	if err != nil {
		return nil, "", 0, err
	}
	_ = c.SetDeadline(time.Now().Add(tcpWithin))
	if len(name) > 0 {
		c = tls.Client(c, &tls.Config{ServerName: name[0], InsecureSkipVerify: true}) // whose certificate it is does not matter
	}
	if _, err := fmt.Fscanf(c, "%s %d\n", &instance, &pid); err != nil {
		_ = c.Close()
		return nil, "", 0, fmt.Errorf("no greeting: %w", err)
	}
	return c, instance, pid, nil
}

func tcpDial(port string, name ...string) error {
	c, instance, _, err := greeted(port, name...)
	if err != nil {
		return err
	}
	fmt.Println(instance)
	return c.Close()
}

// many opens one connection after another and fails with the first that does. After a
// quarter of them it kills who answered last, if told so.
func many(port string, kill ...string) error {
	const all = 200
	by := map[string]int{}
	for i := range all {
		c, instance, pid, err := greeted(port)
		if err != nil {
			return fmt.Errorf("connection %d: %w", i, err)
		}
		err = sendsBack(c)
		_ = c.Close()
		if err != nil {
			return fmt.Errorf("connection %d to %s: %w", i, instance, err)
		}
		by[instance]++
		if len(kill) > 0 && i == all/4 {
			if err := killed(pid); err != nil {
				return err
			}
			fmt.Println("killed", instance)
		}
	}
	fmt.Println(all, "connections", by)
	return nil
}

// killed kills a process and waits until its parent has heard of it: a dead process has
// open sockets for as long as one of its threads ends.
func killed(pid int) error {
	p, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	if err := p.Kill(); err != nil {
		return err
	}
	for deadline := time.Now().Add(tcpWithin); time.Now().Before(deadline); time.Sleep(time.Millisecond) { // between two looks
		if errors.Is(p.Signal(syscall.Signal(0)), os.ErrProcessDone) {
			return nil
		}
	}
	return errors.New("it lives on")
}

func killEngine(name string) error {
	var fleet struct {
		Engines []struct {
			ID  string `json:"id"`
			PID int    `json:"pid"`
		} `json:"engines"`
	}
	if err := json.NewDecoder(os.Stdin).Decode(&fleet); err != nil {
		return err
	}
	for _, e := range fleet.Engines {
		if e.ID == name && e.PID > 1 {
			return killed(e.PID)
		}
	}
	return errors.New("no such engine: " + name)
}

func sendsBack(c net.Conn) error {
	const word = "there and back"
	if _, err := io.WriteString(c, word); err != nil {
		return err
	}
	b := make([]byte, len(word))
	if _, err := io.ReadFull(c, b); err != nil || string(b) != word {
		return fmt.Errorf("%q came back: %w", b, err)
	}
	return nil
}

// hold keeps a connection until the script has made the file "release", and uses it then.
func hold(port string) error {
	c, instance, _, err := greeted(port)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }() // it was used
	if err := os.WriteFile("held", []byte(instance), 0o644); err != nil {
		return err
	}
	_ = c.SetDeadline(time.Time{})
	for {
		if _, err := os.Stat("release"); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond) // between two looks
	}
	_ = c.SetDeadline(time.Now().Add(tcpWithin))
	if err := sendsBack(c); err != nil {
		return err
	}
	fmt.Println("held", instance)
	return nil
}
