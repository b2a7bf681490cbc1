package control_test

import (
	"net/http"
	"strings"
	"testing"
)

// What takes telemetry takes it from programs, by whatever name they know control, and not
// from pages: also not from one whose own name was made to point here.
func TestPagesReportNothing(t *testing.T) {
	address, end := begin(t)
	_, port, _ := strings.Cut(address, ":")
	for name, c := range map[string]struct {
		host   string
		header []string
		taken  bool
	}{
		"a program":                 {"", nil, true},
		"a program of a network":    {"control:" + port, nil, true},
		"a page of another name":    {"evil.example:" + port, []string{"Origin", "http://evil.example:" + port}, false},
		"a page from elsewhere":     {"", []string{"Origin", "http://evil.example"}, false},
		"a picture from elsewhere":  {"", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors"}, false},
		"a picture of a neighbour":  {"", []string{"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "no-cors"}, false},
		"a link that was followed":  {"", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate"}, true},
		"the dashboard's own pages": {"", []string{"Origin", "http://" + address, "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "cors"}, true},
	} {
		header := append([]string{"Content-Type", "application/json"}, c.header...)
		for _, path := range []string{"/v1/traces", "/v1/metrics", "/v1/logs"} {
			status, body := ask(t, http.MethodPost, address+path, c.host, header...)
			if (status != http.StatusForbidden) != c.taken {
				t.Errorf("%s: %s: %d %.200s", name, path, status, body)
			}
		}
	}
	for _, path := range []string{"/", "/assets/app.js", "/api/v1/query?query=1"} {
		if status, _ := ask(t, http.MethodGet, address+path, "", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors"); status != http.StatusForbidden {
			t.Errorf("%s for a page from elsewhere: %d", path, status)
		}
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}
