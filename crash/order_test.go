package crash_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/musterdev/muster/crash"
)

func TestFromEnv(t *testing.T) {
	file := filepath.Join(t.TempDir(), "points")
	for value, want := range map[string]string{
		"on": "", "record:" + file: "", "at:commit #3:before:" + file: "", "at:3:after:" + file: "",
		"off": "write on, record:FILE", "record": "write on", "record:": "write on", "at:commit #3:before:": "names no file",
		"at:commit #3": "write at:POINT:before:FILE", "at:x:before:" + file: "names no boundary", "record:/nowhere/x": "no such file",
	} {
		_, err := crash.FromEnv(value)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), crash.Variable)) {
			t.Errorf("%q: %v, want %q", value, err, want)
		}
	}
	if p, err := crash.FromEnv(""); p != nil || err != nil {
		t.Errorf("no value is %v, %v", p, err)
	}
	p, err := crash.FromEnv("record:" + file)
	if err != nil {
		t.Fatal(err)
	}
	_ = p.Do(crash.Statement, "UPDATE a", func() error { return nil })
	_ = p.Do(crash.Commit, "", func() error { return nil })
	if text, err := os.ReadFile(file); err != nil || string(text) != "1\tstatement\tUPDATE a\t1\n2\tcommit\t\t1\n" {
		t.Errorf("recorded %q, %v", text, err)
	}
	// The file of an earlier crash is there: it does not crash again.
	p, err = crash.FromEnv("at:commit #1:before:" + file)
	if err != nil || p.Do(crash.Commit, "", func() error { return nil }) != nil {
		t.Errorf("it crashes once more: %v", err)
	}
}

func TestADrillOrdersByHTTP(t *testing.T) {
	p := crash.New(nil)
	ask := func(method, body string, want int) (s crash.State, text string) {
		t.Helper()
		rec := httptest.NewRecorder()
		p.Handler().ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), method, "/.muster/crash", strings.NewReader(body)))
		if rec.Code != want {
			t.Errorf("%s %s: %d %s, want %d", method, body, rec.Code, rec.Body, want)
		}
		text = rec.Body.String()
		if want == http.StatusOK {
			if err := json.Unmarshal([]byte(text), &s); err != nil {
				t.Error(err)
			}
		}
		return s, text
	}
	do := func(kind crash.Kind, what string) error { return p.Do(kind, what, func() error { return nil }) }
	if s, _ := ask("POST", `{"record": true}`, 200); !s.Counting || s.Counted != 0 || !s.Recorded {
		t.Errorf("%+v", s)
	}
	_ = do(crash.Write, crash.Answer) // that to the order
	_ = do(crash.Write, crash.Answer)
	_ = do(crash.Commit, "")
	if s, _ := ask("GET", "", 200); s.Counted != 2 || len(s.Boundaries) != 2 || s.Boundaries[0].Name() != "write answer http #1" {
		t.Errorf("%+v", s)
	}
	for _, body := range []string{`{"at": "commit", "side": "before"}`, `{"at": "commit #1"}`, `{"side": "after"}`, `{"when": 1}`, ``} {
		if _, text := ask("POST", body, 400); !strings.Contains(text, "commit #3") && !strings.Contains(text, "crash point") {
			t.Errorf("%s: %s", body, text)
		}
	}
	if s, _ := ask("POST", `{"at": "commit #1", "side": "after"}`, 200); s.Armed == nil || s.Armed.At != "commit #1" {
		t.Errorf("%+v", s)
	}
	if s, _ := ask("POST", `{}`, 200); s.Counting || s.Armed != nil {
		t.Errorf("%+v", s)
	}
	if err := do(crash.Commit, ""); err != nil {
		t.Error(err)
	}
	ask("DELETE", "", 405)
}
