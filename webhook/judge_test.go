package webhook

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/bus/cloudevents"
)

func TestJudge(t *testing.T) {
	retry := bus.Backoff{First: 4 * time.Second, Most: time.Hour, Attempts: 3}
	for name, tt := range map[string]struct {
		a        answer
		attempts int
		state    State
		least    time.Duration
		most     time.Duration
		gone     bool
	}{
		"taken":                       {answer{status: 204}, 1, Delivered, 0, 0, false},
		"taken at the last try":       {answer{status: 200}, 3, Delivered, 0, 0, false},
		"refused":                     {answer{status: 400}, 1, Waiting, 2 * time.Second, 4 * time.Second, false},
		"a redirect":                  {answer{status: 301}, 1, Waiting, 2 * time.Second, 4 * time.Second, false},
		"nobody there":                {answer{err: "refused"}, 2, Waiting, 4 * time.Second, 8 * time.Second, false},
		"later, please":               {answer{status: 429, retry: time.Minute}, 1, Waiting, time.Minute, time.Minute, false},
		"sooner than we would anyway": {answer{status: 503, retry: time.Second}, 1, Waiting, 2 * time.Second, 4 * time.Second, false},
		"used up":                     {answer{status: 500}, 3, Dead, 0, 0, false},
		"gone":                        {answer{status: 410}, 1, Dead, 0, 0, true},
	} {
		if v := judge(tt.a, tt.attempts, retry); v.state != tt.state || v.after < tt.least || v.after > tt.most || v.gone != tt.gone {
			t.Errorf("%s: %+v", name, v)
		}
	}
}

func TestAnEndpointThatFailsIsLeftAlone(t *testing.T) {
	const day = 24 * time.Hour
	for name, tt := range map[string]struct {
		a           answer
		h           health
		least, most time.Duration
		disabled    string
	}{
		"once":                  {answer{status: 500}, health{1, 0}, 0, 0, ""},
		"asked to wait":         {answer{status: 429, retry: time.Minute}, health{1, 0}, time.Minute, time.Minute, ""},
		"three times":           {answer{status: 500}, health{3, time.Second}, 500 * time.Millisecond, time.Second, ""},
		"for long":              {answer{}, health{500, day}, 150 * time.Second, 5 * time.Minute, ""},
		"seldom, but for long":  {answer{}, health{9, 6 * day}, 10 * time.Second, 2 * time.Minute, ""},
		"often and for long":    {answer{}, health{10, 5 * day}, 0, 0, "failed for 120h0m0s, 10 times"},
		"it wants nothing more": {answer{status: http.StatusGone}, health{1, 0}, 0, 0, "410 Gone"},
	} {
		alone, disabled := rest(tt.a, tt.h, 5*day)
		if alone < tt.least || alone > tt.most || !strings.Contains(disabled, tt.disabled) || (disabled == "") != (tt.disabled == "") {
			t.Errorf("%s: %s %q", name, alone, disabled)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		status int
		text   string
		want   time.Duration
	}{
		{429, "7", 7 * time.Second},
		{503, now.Add(time.Minute).Format(http.TimeFormat), time.Minute},
		{503, "99999999", time.Hour},
		{503, "99999999999999999999", 0},
		{503, now.Add(-time.Minute).Format(http.TimeFormat), 0},
		{503, "-1", 0},
		{503, "", 0},
		{503, "soon", 0},
		{200, "7", 0},
		{500, "7", 0},
	} {
		if got := retryAfter(tt.status, http.Header{"Retry-After": {tt.text}}, now, time.Hour); got != tt.want {
			t.Errorf("%d %q: %s, want %s", tt.status, tt.text, got, tt.want)
		}
	}
}

func TestWhatAPartnerLearns(t *testing.T) {
	m := bus.Msg{
		ID: "e-1", Source: "/orders", Topic: "orders.confirmed", Subject: "o-1", Key: "o-1", Time: time.Date(2026, 11, 23, 12, 0, 0, 5, time.UTC), ContentType: "application/json",
		Data: []byte(`{"order":"o-1"}`), Causation: "secret", Correlation: "secret", TraceParent: "secret", Extensions: map[string]string{"tenant": "secret"}, Sequence: "7",
	}
	for _, binary := range []bool{false, true} {
		if binary {
			m.ContentType, m.Data = "application/protobuf", []byte{0, 255}
		}
		body, err := bodyOf(m)
		if err != nil || strings.Contains(string(body), "secret") {
			t.Fatalf("%s, %v", body, err)
		}
		r, _ := http.NewRequest(http.MethodPost, "/", strings.NewReader(string(body)))
		r.Header.Set("Content-Type", contentType)
		read, err := cloudevents.FromRequest(r)
		if err != nil || len(read) != 1 || read[0].Topic != m.Topic || string(read[0].Data) != string(m.Data) || read[0].ID != "e-1" || read[0].Subject != "o-1" || !read[0].Time.Equal(m.Time) {
			t.Errorf("%s: %+v, %v", body, read, err)
		}
	}
	other := m
	other.Source = "/payments"
	if messageID(m) == messageID(other) || strings.ContainsRune(messageID(m), '.') {
		t.Error("the id of a message is that of its source and id")
	}
}
