package webhook

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/musterdev/muster/problem"
)

// The headers of a webhook (Standard Webhooks 1.0.0, "Webhook headers"). Their values
// are an id, the same for all attempts, the time of the attempt in Unix seconds, and
// signatures separated by spaces.
const (
	HeaderID        = "Webhook-Id"
	HeaderTimestamp = "Webhook-Timestamp"
	HeaderSignature = "Webhook-Signature"
)

// Tolerance is how far a webhook's time may be from that of who verifies it.
const Tolerance = 5 * time.Minute

// ErrSignature says that a webhook does not come from who has the secret, or is old:
// unauthenticated, and answered with 401.
var ErrSignature error = problem.New(problem.Unauthenticated, "the webhook is not signed with the secret that is known here")

const (
	secretPrefix = "whsec_"
	version      = "v1," // HMAC with SHA-256
	leastSecret  = 24    // bytes (Standard Webhooks, "Signature scheme")
	mostSecret   = 64
	newSecret    = 32
)

// Secret is a key that both sides know: whsec_ and 24 to 64 bytes in base64.
type Secret string

// NewSecret returns a secret of 32 random bytes.
func NewSecret() Secret {
	var key [newSecret]byte
	_, _ = rand.Read(key[:]) // never fails (crypto/rand)
	return Secret(secretPrefix + base64.StdEncoding.EncodeToString(key[:]))
}

func (s Secret) key() ([]byte, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(string(s), secretPrefix))
	if err != nil || len(key) < leastSecret || len(key) > mostSecret {
		return nil, problem.New(problem.InvalidArgument, "a webhook's secret is whsec_ and %d to %d bytes in base64", leastSecret, mostSecret).WithField("secret", "malformed")
	}
	return key, nil
}

// Sign returns a signature of a webhook: v1, and the HMAC with SHA-256 of id, time and
// body. The error is that of a malformed secret.
func Sign(s Secret, id string, at time.Time, body []byte) (string, error) {
	key, err := s.key()
	if err != nil {
		return "", err
	}
	return version + base64.StdEncoding.EncodeToString(mac(key, id, at.Unix(), body)), nil
}

func mac(key []byte, id string, seconds int64, body []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(id + "." + strconv.FormatInt(seconds, 10) + "."))
	h.Write(body)
	return h.Sum(nil)
}

// Verify is for who receives webhooks, from Muster or from anybody who keeps to
// Standard Webhooks. It returns nil when one of the header's signatures was made with one
// of the secrets, of which there are two while one is replaced, and the time is within
// [Tolerance] of now. Otherwise it returns [ErrSignature]. body is the request's body,
// byte for byte.
//
// What was verified may still come twice: the value of [HeaderID] is the same then.
func Verify(header http.Header, body []byte, now time.Time, secrets ...Secret) error {
	id, stamp := header.Get(HeaderID), header.Get(HeaderTimestamp)
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || id == "" || strconv.FormatInt(seconds, 10) != stamp {
		return problem.Wrap(ErrSignature, problem.Unauthenticated, "the webhook has no %s, or its %s is no number of seconds", HeaderID, HeaderTimestamp)
	}
	if apart := now.Sub(time.Unix(seconds, 0)); apart > Tolerance || apart < -Tolerance {
		return problem.Wrap(ErrSignature, problem.Unauthenticated, "the webhook's time is more than %s from now", Tolerance)
	}
	given := strings.Fields(strings.Join(header.Values(HeaderSignature), " "))
	const most = 16 // signatures that are looked at
	found := 0
	for _, s := range secrets {
		key, err := s.key()
		if err != nil {
			return err
		}
		want := mac(key, id, seconds, body)
		for _, text := range given[:min(len(given), most)] {
			encoded, ok := strings.CutPrefix(text, version)
			got, err := base64.StdEncoding.DecodeString(encoded)
			if ok && err == nil {
				found |= subtle.ConstantTimeCompare(got, want)
			}
		}
	}
	if found == 0 {
		return ErrSignature
	}
	return nil
}
