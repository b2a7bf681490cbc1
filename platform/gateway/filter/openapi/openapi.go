// Package openapi holds requests against a service's contract, an OpenAPI document of version
// 3.0 or 3.1, before they reach it: what the contract does not know, or says otherwise, is
// refused with all that is wrong, each with its place. Answers can be held against it too, and
// are reported, never held back.
//
// Parameters of path, query, header and cookie are read as their style says; bodies of JSON and
// of forms are checked against their schemas (JSON Schema 2020-12; those of 3.0 are translated),
// by santhosh-tekuri/jsonschema. Bodies of other media types are passed when the contract has
// their type. A packed body cannot be checked and is refused.
package openapi

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/filter/follow"
	"github.com/musterdev/muster/problem"
)

// Config is what the filter is told: where the contract is, File or Document, and how strict to
// be.
type Config struct {
	// File is the path of the contract, JSON or YAML. It is followed: a new one counts within a
	// second or so, one that cannot be used is logged and the one before stays.
	File string `json:"file,omitempty"`
	// Document is the contract itself.
	Document json.RawMessage `json:"document,omitempty"`
	// Base is the path below which the contract's paths lie; none: those of its servers, else "/".
	Base string `json:"base,omitempty"`
	// Unknown says what becomes of a request the contract has no operation for: "refuse" (404,
	// or 405 with Allow), the default, or "pass".
	Unknown string `json:"unknown,omitempty"`
	// StrictQuery refuses query parameters that the operation does not have.
	StrictQuery bool `json:"strict_query,omitempty"`
	// Answers says what becomes of an answer that is against the contract: "pass", the default,
	// unseen; "report" in log and metrics.
	Answers string `json:"answers,omitempty"`
	// MaxBody is how much of a body is held to be checked, at most 64MiB; a larger
	// request is answered 413, a larger answer not checked. 0: 1MiB.
	MaxBody filter.Bytes `json:"max_body,omitempty"`
}

const (
	defaultMaxBody = 1 << 20
	mostMaxBody    = 64 << 20
	maxDocument    = 16 << 20
)

const (
	refuse = "refuse"
	pass   = "pass"
	report = "report"
)

// Make is the filter's [filter.Maker].
func Make(_ context.Context, env filter.Env, with json.RawMessage) (filter.Filter, error) {
	var cfg Config
	if err := filter.Decode(with, &cfg); err != nil {
		return nil, err
	}
	cfg.Unknown, cfg.Answers, cfg.MaxBody = cmp.Or(cfg.Unknown, refuse), cmp.Or(cfg.Answers, pass), cmp.Or(cfg.MaxBody, defaultMaxBody)
	if err := cfg.check(); err != nil {
		return nil, err
	}
	c := &checker{cfg: cfg, name: env.Name, log: env.Log, answers: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "muster_edge_openapi_answers_total", Help: "Answers held against the contract, by what came of it.",
	}, []string{"result"})}
	if err := c.open(env); err != nil {
		return nil, err
	}
	if cfg.Answers == report {
		var err error
		if c.answers, err = filter.Register(env.Metrics, c.answers); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// open reads the contract, and follows its file.
func (c *checker) open(env filter.Env) error {
	var m filter.Mistakes
	if c.cfg.File == "" {
		if err := c.take(c.cfg.Document); err != nil {
			m.Add("document", "%s", err)
		}
		return m.Err()
	}
	file, err := follow.Open(c.cfg.File, maxDocument, env.Log, c.take)
	if err != nil {
		m.Add("file", "%s", err)
		return m.Err()
	}
	if c.file = file; env.Check {
		return file.Close()
	}
	return nil
}

// take has a contract count from now on.
func (c *checker) take(data []byte) error {
	compiled, err := parse(data, c.cfg.Base)
	if err == nil {
		c.contract.Store(compiled)
	}
	return err
}

func (c Config) check() error {
	var m filter.Mistakes
	if (c.File == "") == (len(c.Document) == 0) {
		m.Add("file", "must be there, or document: one of the two")
	}
	if c.Unknown != refuse && c.Unknown != pass {
		m.Add("unknown", `must be "refuse" or "pass"`)
	}
	if c.Answers != pass && c.Answers != report {
		m.Add("answers", `must be "pass" or "report"`)
	}
	if c.MaxBody > mostMaxBody {
		m.Add("max_body", "must be from 1 byte to 64MiB")
	}
	if c.Base != "" && (c.Base[0] != '/' || strings.ContainsAny(c.Base, "{}?#")) {
		m.Add("base", `must be a path, such as "/v1"`)
	}
	return m.Err()
}

// checker is a [filter.Middleware].
type checker struct {
	cfg      Config
	file     *follow.File // nil: the contract stands in the configuration
	contract atomic.Pointer[contract]
	name     string
	log      *slog.Logger
	answers  *prometheus.CounterVec
	told     limiter
}

var (
	_ filter.Middleware = (*checker)(nil)
	_ filter.Closer     = (*checker)(nil)
)

// Close ends the following of the file.
func (c *checker) Close() error {
	if c.file == nil {
		return nil
	}
	return c.file.Close()
}

// Request lets every request pass: it is judged with its body.
func (*checker) Request(context.Context, *filter.Request) error { return nil }

// Wrap returns next behind the check.
func (c *checker) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		op, values, allow := c.contract.Load().find(r.Method, r.URL.Path)
		if op == nil && c.cfg.Unknown == pass {
			next.ServeHTTP(w, r)
			return
		}
		if op == nil {
			problem.Write(w, r, unknown(w, r, allow))
			return
		}
		checked, err := c.check(w, r, op, values)
		if err != nil {
			problem.Write(w, r, err)
			return
		}
		if c.cfg.Answers != report {
			next.ServeHTTP(w, checked)
			return
		}
		seen := &recorder{ResponseWriter: w, most: int64(c.cfg.MaxBody)}
		next.ServeHTTP(seen, checked)
		c.judge(op, seen)
	})
}

// unknown says that the contract has no such operation.
func unknown(w http.ResponseWriter, r *http.Request, allow []string) error {
	if len(allow) == 0 {
		return problem.New(problem.NotFound, "the contract has no path like this one")
	}
	w.Header().Set("Allow", strings.Join(allow, ", "))
	e := problem.New(problem.Unimplemented, "the contract has no %.20s at this path; it has %s", r.Method, strings.Join(allow, ", "))
	e.Status = http.StatusMethodNotAllowed
	return e
}

// check returns the request with its body read, or all that is wrong with it.
func (c *checker) check(w http.ResponseWriter, r *http.Request, op *operation, values map[string]string) (*http.Request, error) {
	found := &findings{}
	if err := op.parameters(r, values, c.cfg.StrictQuery, found); err != nil {
		return nil, err
	}
	r, err := op.body.check(w, r, int64(c.cfg.MaxBody), found)
	if err != nil {
		return nil, err
	}
	if len(found.details) > 0 {
		e := problem.New(problem.InvalidArgument, "the request is against the contract of %s", op.name)
		e.Details = found.details
		return nil, e
	}
	return r, nil
}

// judge reports an answer that is against the contract.
func (c *checker) judge(op *operation, seen *recorder) {
	result, wrong := op.answer(seen)
	c.answers.WithLabelValues(result).Inc()
	if wrong != "" && c.told.allow(time.Now()) {
		c.log.Warn("an answer is against the contract", "filter", c.name, "operation", op.name, "status", seen.status, "wrong", wrong)
	}
}
