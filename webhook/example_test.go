package webhook_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/musterdev/muster/problem"
	"github.com/musterdev/muster/webhook"
)

// Who receives webhooks verifies them before anything else.
func ExampleVerify() {
	secret := webhook.Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	receive := func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err == nil {
			err = webhook.Verify(r.Header, body, time.Now(), secret)
		}
		if err != nil {
			problem.Write(w, r, err)
			return
		}
		w.WriteHeader(http.StatusNoContent) // and do it once, by the value of Webhook-Id
	}

	body, now := `{"type":"orders.confirmed"}`, time.Now()
	signature, _ := webhook.Sign(secret, "msg_1", now, []byte(body))
	for _, sent := range []string{body, `{"type":"orders.failed"}`} {
		r := httptest.NewRequest(http.MethodPost, "/webhooks", strings.NewReader(sent))
		r.Header.Set(webhook.HeaderID, "msg_1")
		r.Header.Set(webhook.HeaderTimestamp, fmt.Sprint(now.Unix()))
		r.Header.Set(webhook.HeaderSignature, signature)
		w := httptest.NewRecorder()
		receive(w, r)
		fmt.Println(w.Code)
	}
	// Output:
	// 204
	// 401
}
