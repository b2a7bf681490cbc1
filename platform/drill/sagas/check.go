package sagas

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/musterdev/muster/problem"
)

// checkWithin is how long one look of a check may take.
const checkWithin = 10 * time.Second

// Check is something that must hold of a team's own tables, told by a program of theirs.
type Check struct {
	url  string   // "/path" of the edge, or a whole one
	argv []string // in place of it
}

// ParseCheck reads "GET /path" of the fleet's edge or "GET http://…", which is to answer 2xx,
// or else a command, its words parted by spaces, which is to end with status 0. It says what
// is wrong with it before anything is started.
func ParseCheck(text string) (Check, error) {
	words := strings.Fields(text)
	switch {
	case len(words) == 0:
		return Check{}, errors.New("--check is empty: write a command that ends with status 0, or GET and a path of the edge that answers 2xx")
	case strings.HasPrefix(words[0], "http://") || strings.HasPrefix(words[0], "https://"):
		words = append([]string{http.MethodGet}, words...)
	}
	if words[0] == http.MethodGet {
		if len(words) != 2 || !strings.HasPrefix(words[1], "/") && !strings.HasPrefix(words[1], "http") {
			return Check{}, fmt.Errorf("--check %q: write GET and one path, such as GET /check", text)
		}
		return Check{url: words[1]}, nil
	}
	if _, err := exec.LookPath(words[0]); err != nil {
		return Check{}, fmt.Errorf("--check: %w: it must be a command that ends with status 0, or GET and a path of the edge that answers 2xx", err)
	}
	return Check{argv: words}, nil
}

// Place is where a check looks.
type Place struct {
	Dir  string   // where its command runs
	Edge string   // URL
	Env  []string // what the command is told besides this process's variables
}

// Of returns the check at a place. Its error is one line: what it was answered, or what the
// command printed last.
func (c Check) Of(at Place) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, checkWithin)
		defer cancel()
		if c.url != "" {
			return c.get(ctx, at)
		}
		return c.run(ctx, at)
	}
}

func (c Check) get(ctx context.Context, at Place) error {
	url := c.url
	if strings.HasPrefix(url, "/") {
		url = at.Edge + url
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }() // read as far as it is wanted
	if res.StatusCode/100 == 2 {
		return nil
	}
	why := strconv.Itoa(res.StatusCode)
	if p, ok := errors.AsType[*problem.Error](problem.FromResponse(res)); ok {
		why += ": " + p.Message
	}
	return fmt.Errorf("GET %s was answered %s", url, why)
}

func (c Check) run(ctx context.Context, at Place) error {
	cmd := exec.CommandContext(ctx, c.argv[0], c.argv[1:]...)
	cmd.Dir, cmd.Env = at.Dir, append(os.Environ(), at.Env...)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		err = fmt.Errorf("no end after %s", checkWithin)
	}
	return fmt.Errorf("%s: %w: %s", strings.Join(c.argv, " "), err, cmp.Or(lastLine(out), "it printed nothing"))
}

func lastLine(out []byte) string {
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	return string(bytes.TrimSpace(lines[len(lines)-1]))
}
