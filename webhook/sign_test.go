package webhook

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

// What the reference implementation (standardwebhooks 1.0.0 of npm) signs of these.
const (
	knownSecret = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	knownID     = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	knownBody   = `{"test": 2432232314}`
	knownSigned = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
)

func known() time.Time { return time.Unix(1614265330, 0) }

func signed(id, stamp string, signatures ...string) http.Header {
	return http.Header{HeaderID: {id}, HeaderTimestamp: {stamp}, HeaderSignature: signatures}
}

func TestSignsAsTheStandardDoes(t *testing.T) {
	got, err := Sign(knownSecret, knownID, known(), []byte(knownBody))
	if got != knownSigned || err != nil {
		t.Errorf("%s, %v, want %s", got, err, knownSigned)
	}
	if _, err := Sign("whsec_short", knownID, known(), nil); err == nil || !strings.Contains(err.Error(), "24 to 64 bytes") {
		t.Errorf("a short secret: %v", err)
	}
}

func TestVerify(t *testing.T) {
	const stamp = "1614265330"
	other := NewSecret()
	for name, tt := range map[string]struct {
		header  http.Header
		body    string
		after   time.Duration
		secrets []Secret
		ok      bool
	}{
		"good":                 {signed(knownID, stamp, knownSigned), knownBody, 0, []Secret{knownSecret}, true},
		"one of two secrets":   {signed(knownID, stamp, knownSigned), knownBody, 0, []Secret{other, knownSecret}, true},
		"one of several":       {signed(knownID, stamp, "v1a,xx v1,yy "+knownSigned), knownBody, 0, []Secret{knownSecret}, true},
		"in two lines":         {signed(knownID, stamp, "v1,yy", knownSigned), knownBody, 0, []Secret{knownSecret}, true},
		"at the end":           {signed(knownID, stamp, knownSigned), knownBody, Tolerance, []Secret{knownSecret}, true},
		"old":                  {signed(knownID, stamp, knownSigned), knownBody, Tolerance + time.Second, []Secret{knownSecret}, false},
		"of the future":        {signed(knownID, stamp, knownSigned), knownBody, -Tolerance - time.Second, []Secret{knownSecret}, false},
		"another body":         {signed(knownID, stamp, knownSigned), knownBody + " ", 0, []Secret{knownSecret}, false},
		"another id":           {signed(knownID+"x", stamp, knownSigned), knownBody, 0, []Secret{knownSecret}, false},
		"another time":         {signed(knownID, "1614265331", knownSigned), knownBody, 0, []Secret{knownSecret}, false},
		"another secret":       {signed(knownID, stamp, knownSigned), knownBody, 0, []Secret{other}, false},
		"no secret":            {signed(knownID, stamp, knownSigned), knownBody, 0, nil, false},
		"no id":                {signed("", stamp, knownSigned), knownBody, 0, []Secret{knownSecret}, false},
		"no time":              {signed(knownID, "", knownSigned), knownBody, 0, []Secret{knownSecret}, false},
		"a time written twice": {signed(knownID, "0"+stamp, knownSigned), knownBody, 0, []Secret{knownSecret}, false},
		"no signature":         {signed(knownID, stamp), knownBody, 0, []Secret{knownSecret}, false},
		"another version":      {signed(knownID, stamp, "v2"+knownSigned[2:]), knownBody, 0, []Secret{knownSecret}, false},
	} {
		err := Verify(tt.header, []byte(tt.body), known().Add(tt.after), tt.secrets...)
		if tt.ok != (err == nil) || err != nil && !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := Verify(signed(knownID, stamp, knownSigned), nil, known(), "whsec_???"); err == nil || errors.Is(err, ErrSignature) {
		t.Errorf("a malformed secret is the caller's: %v", err)
	}
}

func FuzzVerify(f *testing.F) {
	f.Add(knownID, "1614265330", knownSigned, knownBody)
	f.Add("", "-1", "v1, v1,= \x00", "")
	f.Fuzz(func(t *testing.T, id, stamp, signature, body string) {
		err := Verify(signed(id, stamp, signature), []byte(body), known(), knownSecret)
		key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(string(knownSecret), secretPrefix))
		want := version + base64.StdEncoding.EncodeToString(mac(key, id, known().Unix(), []byte(body)))
		if err == nil && stamp == "1614265330" && !strings.Contains(signature, strings.TrimRight(want, "=")[:40]) {
			t.Errorf("%q verifies %q", signature, body)
		}
	})
}
