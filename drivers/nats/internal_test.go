package nats

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	natsgo "github.com/nats-io/nats.go"

	"github.com/musterdev/muster/bus"
)

func TestURLs(t *testing.T) {
	for url, want := range map[string]target{
		"nats://127.0.0.1:4222":                     {"nats://127.0.0.1:4222", "127.0.0.1:4222", 1},
		"tls://bus.example":                         {"tls://bus.example", "bus.example", 1},
		"nats://u:secret@a:1,nats://b:2?replicas=3": {"nats://u:secret@a:1,nats://b:2", "a:1,b:2", 3},
	} {
		if got, err := parseURL(url); err != nil || got != want {
			t.Errorf("%s: %+v, %v", url, got, err)
		}
	}
	for url, says := range map[string]string{
		"":                              "write nats://HOST:PORT",
		"nats://":                       "write nats://HOST:PORT",
		"http://a:1":                    "write nats://HOST:PORT",
		"nats://a:1/stream":             "write nats://HOST:PORT",
		"nats://u:secret@a:x":           "write nats://HOST:PORT",
		"nats://a:1,kafka://u:secret@b": "write nats://HOST:PORT",
		"nats://a?replicas=9":           "from 1 to 5",
		"nats://a?lanes=3":              "lanes=3 is not known",
	} {
		if _, err := parseURL(url); err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", url, err)
		}
	}
}

func TestSubjects(t *testing.T) {
	if s := subjectOf("orders.placed.eu", 7); s != "muster.orders.7.placed.eu" {
		t.Error(s)
	}
	for subject, want := range map[string]string{
		"muster.orders.7.placed.eu": "orders.placed.eu", "muster.orders.7": "", "other.orders.7.placed": "", "muster.Orders.7.placed": "",
	} {
		if topic, ok := topicOf(subject); ok != (want != "") || ok && topic != want {
			t.Errorf("%s: %q, %v", subject, topic, ok)
		}
	}
	l := &lane{owner: "a", number: 2}
	for topics, want := range map[string]string{
		"a.x b.y":               "muster.a.2.x",
		"a.*.x a.y.*":           "muster.a.2.*.*", // no two may have a subject in common
		"a.*.x a.y.* a.q.z":     "muster.a.2.*.*", // which the wider one may bring about
		"a.x a.y a.*.z":         "muster.a.2.*.z muster.a.2.x muster.a.2.y",
		"b.y":                   "",
		"a.*.*.x a.b.*.* a.x.y": "muster.a.2.*.*.* muster.a.2.x.y",
	} {
		if got := strings.Join(subjects(strings.Fields(topics), l), " "); got != want {
			t.Errorf("%s: %s, want %s", topics, got, want)
		}
	}
	if u := union([]string{"a.*", "b.x"}, []string{"a.y", "b.x", "b.z"}); !slices.Equal(u, []string{"a.*", "b.x", "b.z"}) {
		t.Error(u)
	}
}

func TestAMessageOfAnotherSubjectIsNone(t *testing.T) {
	m := encode(bus.Msg{ID: "1", Source: "/s", Topic: "orders.placed"}, 3)
	if m.Subject != "muster.orders.3.placed" || m.Header.Get(headerID) != "/s 1" {
		t.Errorf("%+v", m)
	}
	if got, err := decode(m); err != nil || got.Topic != "orders.placed" {
		t.Errorf("%+v, %v", got, err)
	}
	m.Subject = "muster.orders.3.failed"
	if _, err := decode(m); err == nil || !strings.Contains(err.Error(), "orders.placed does not belong to") {
		t.Error(err)
	}
	if _, err := decode(&natsgo.Msg{Subject: "muster.orders.3.placed", Data: []byte("x")}); err == nil {
		t.Error("a message without attributes is an event")
	}
}

func FuzzHeaders(f *testing.F) {
	for _, s := range []string{"", "plain", "a b", `"%"`, "é\r\n\x00", "%41", "100%", "%zz"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		e := bus.Escape(s)
		if strings.ContainsFunc(e, func(r rune) bool { return r <= ' ' || r > '~' }) {
			t.Errorf("%q is escaped as %q", s, e)
		}
		if got := bus.Unescape(e); got != s {
			t.Errorf("%q comes back as %q", s, got)
		}
		_ = bus.Unescape(s) // of somebody else's
		m := bus.Msg{ID: "1", Source: "/s", Topic: "a.b", Key: s, Extensions: map[string]string{"x": s}}
		if m.Validate() != nil {
			return
		}
		got, err := decode(encode(m, 0))
		if err != nil || got.Key != m.Key || !reflect.DeepEqual(got.Extensions, m.Extensions) && s != "" {
			t.Errorf("%+v comes back as %+v, %v", m, got, err)
		}
	})
}
