package legacy_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/call/resilience/legacy"
)

const spring = `
spring: {application: {name: shop}}
resilience4j:
  circuitbreaker:
    configs:
      default:
        slidingWindowType: TIME_BASED
        slidingWindowSize: 30
        minimum-number-of-calls: 5
        registerHealthIndicator: true
      strict: {failureRateThreshold: 10, slidingWindowSize: 100}
    instances:
      stock:
        failureRateThreshold: 40
        waitDurationInOpenState: 60s
        permittedNumberOfCallsInHalfOpenState: 4
        slowCallDurationThreshold: PT1.5S
        recordExceptions: [java.io.IOException]
      price: {baseConfig: strict}
      "[a.b]": {}
      lost: {baseConfig: nowhere, failureRateThreshold: 300}
  retry:
    instances:
      stock: {maxAttempts: 4, waitDuration: 500, enableExponentialBackoff: true}
      price: {maxAttempts: 50}
  bulkhead:
    instances:
      stock: {maxConcurrentCalls: 20, maxWaitDuration: 50ms}
  timelimiter:
    instances:
      stock: {timeoutDuration: 2s, cancelRunningFuture: false}
  ratelimiter:
    instances:
      stock: {limitForPeriod: 10}
  retryy: {instances: {stock: {maxAttempts: 2}}}
---
spring.config.activate.on-profile: test
resilience4j.retry.instances.stock.maxAttempts: 1
`

func notes(t *testing.T, im legacy.Import) string {
	t.Helper()
	var b strings.Builder
	for _, n := range im.Notes {
		b.WriteString(n.String() + "\n")
	}
	return b.String()
}

func TestResilience4j(t *testing.T) {
	im, err := legacy.Resilience4j("application.yml", []byte(spring))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]resilience.Settings{
		"stock": {
			Timeout: 2 * time.Second, Retry: resilience.Retry{Attempts: 4, Backoff: 500 * time.Millisecond},
			Breaker: &resilience.BreakerSettings{
				Window: 30 * time.Second, MinCalls: 5, Failures: 0.4, Open: time.Minute, Probes: 4, SlowCalls: 1, SlowAfter: 1500 * time.Millisecond,
			},
			Bulkhead: &resilience.BulkheadSettings{Max: 20, Queue: 20, Wait: 50 * time.Millisecond},
		},
		"price": {Breaker: &resilience.BreakerSettings{Failures: 0.1}},
		"a.b":   {Breaker: &resilience.BreakerSettings{Window: 30 * time.Second, MinCalls: 5}},
		"lost":  {Breaker: &resilience.BreakerSettings{}},
	}
	for name, s := range want {
		if !reflect.DeepEqual(im.Targets[name], s) {
			t.Errorf("%s:\n got %+v %+v\nwant %+v %+v", name, im.Targets[name], im.Targets[name].Breaker, s, s.Breaker)
		}
	}
	if len(im.Targets) != len(want) {
		t.Errorf("%d targets, want %d", len(im.Targets), len(want))
	}
	got := notes(t, im)
	for _, line := range []string{
		"application.yml:10: resilience4j.circuitbreaker.configs.default.registerHealthIndicator: not carried over: figures and states are kept",
		"strict.slidingWindowSize: not carried over: it is a number of calls",
		"application.yml:16: resilience4j.circuitbreaker.instances.stock.permittedNumberOfCallsInHalfOpenState: carried over: all of these",
		"recordExceptions: not carried over: which errors count",
		"lost.baseConfig: not carried over: there is no config of that name",
		`lost.failureRateThreshold: not carried over: "300" is not a percentage`,
		"stock.waitDuration: carried over: 500ms is the bound",
		"price.maxAttempts: not carried over: retry.attempts is 50; it goes from 0 to 10",
		"stock.maxWaitDuration: carried over: the queue",
		"stock.cancelRunningFuture: not carried over: a call whose time is up is always cancelled",
		"ratelimiter.instances.stock.limitForPeriod: not carried over: calls are not limited by a rate",
		"retryy.instances.stock.maxAttempts: not carried over: there is no such policy",
		`resilience4j.retry.instances.stock.maxAttempts: not carried over: it counts in the profile "test" only`,
	} {
		if !strings.Contains(got, line) {
			t.Errorf("missing %q in\n%s", line, got)
		}
	}
	for name, s := range im.Targets {
		if err := s.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPropertiesAndYAMLMeanTheSame(t *testing.T) {
	im, err := legacy.Resilience4j("application.properties", []byte(`# a comment
resilience4j.circuitbreaker.instances.stock.failure-rate-threshold=40
resilience4j.circuitbreaker.instances.stock.waitDurationInOpenState : 60s
resilience4j.circuitbreaker.instances[a.b].minimumNumberOfCalls 7
resilience4j.retry.instances.stock.maxAttempts=\
    4
resilience4j.retry.instances.stock.retryExceptions[0]=java.io.IOException
resilience4j.retry.instances.stock.waitDuration=${PAUSE:50ms}
resilience4j.retry.instances.stock.maxAtempts=3
`))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]resilience.Settings{
		"stock": {Retry: resilience.Retry{Attempts: 4}, Breaker: &resilience.BreakerSettings{Failures: 0.4, Open: time.Minute}},
		"a.b":   {Breaker: &resilience.BreakerSettings{MinCalls: 7}},
	}
	if !reflect.DeepEqual(im.Targets, want) {
		t.Errorf("got %+v", im.Targets)
	}
	got := notes(t, im)
	for _, line := range []string{
		"application.properties:7: resilience4j.retry.instances.stock.retryExceptions[0]: not carried over: which errors",
		"application.properties:8: resilience4j.retry.instances.stock.waitDuration: not carried over: the value is a placeholder",
		`maxAtempts: not carried over: the key is not known; is "maxattempts" meant?`,
	} {
		if !strings.Contains(got, line) {
			t.Errorf("missing %q in\n%s", line, got)
		}
	}
}

func TestHystrix(t *testing.T) {
	im, err := legacy.Hystrix("config.properties", []byte(`
hystrix.command.default.execution.isolation.thread.timeoutInMilliseconds=3000
hystrix.command.default.circuitBreaker.sleepWindowInMilliseconds=7000
hystrix.command.Stock#get(String).circuitBreaker.requestVolumeThreshold=30
hystrix.command.Stock#get(String).circuitBreaker.errorThresholdPercentage=60
hystrix.command.Stock#get(String).metrics.rollingStats.numBuckets=20
hystrix.command.com.shop.Price.circuitBreaker.enabled=false
hystrix.command.com.shop.Price.execution.isolation.semaphore.maxConcurrentRequests=15
hystrix.command.com.shop.Price.circuitBreaker.forceOpen=false
hystrix.threadpool.com.shop.Price.maxQueueSize=-1
hystrix.threadpool.Stock#get(String).coreSize=12
hystrix.threadpool.Stock#get(String).maxQueueSize=100
hystrix.threadpool.group.coreSize=12
hystrix.collapser.x.maxRequestsInBatch=3
hystrix.command.com.shop.Price.unheard.of=3
other.key=1
`))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]resilience.Settings{
		"Stock#get(String)": {
			Timeout: 3 * time.Second, Breaker: &resilience.BreakerSettings{MinCalls: 30, Failures: 0.6, Open: 7 * time.Second, Probes: 1},
			Bulkhead: &resilience.BulkheadSettings{Max: 12, Queue: 5},
		},
		"com.shop.Price": {Timeout: 3 * time.Second, Bulkhead: &resilience.BulkheadSettings{Max: 15}},
		"com":            {Timeout: 3 * time.Second, Breaker: &resilience.BreakerSettings{Open: 7 * time.Second, Probes: 1}}, // of the key nobody knows
	}
	if !reflect.DeepEqual(im.Targets, want) {
		t.Errorf("got %+v", im.Targets)
	}
	got := notes(t, im)
	for _, line := range []string{
		"numBuckets: not carried over: a window is always counted in tenths",
		"forceOpen: not carried over: a breaker is not forced",
		"maxQueueSize: carried over: the queue holds 5, the default of queueSizeRejectionThreshold",
		"config.properties:13: hystrix.threadpool.group.coreSize: not carried over: no command has",
		"hystrix.collapser.x.maxRequestsInBatch: not carried over: calls are not joined",
		"hystrix.command.com.shop.Price.unheard.of: not carried over: the key is not known",
	} {
		if !strings.Contains(got, line) {
			t.Errorf("missing %q in\n%s", line, got)
		}
	}
}

// The lesser of the two sizes is how many calls wait.
func TestHystrixQueue(t *testing.T) {
	for text, want := range map[string]struct {
		queue int
		note  string
	}{
		"maxQueueSize=200 queueSizeRejectionThreshold=50": {50, ""},
		"maxQueueSize=20 queueSizeRejectionThreshold=50":  {20, ""},
		"maxQueueSize=3":   {3, ""},
		"maxQueueSize=200": {5, "maxQueueSize: carried over: the queue holds 5"},
		"maxQueueSize=-1 queueSizeRejectionThreshold=50":  {0, "queueSizeRejectionThreshold: not carried over: no call waits"},
		"queueSizeRejectionThreshold=50":                  {0, "queueSizeRejectionThreshold: not carried over: no call waits"},
		"maxQueueSize=9 queueSizeRejectionThreshold=0":    {0, "queueSizeRejectionThreshold: carried over: no call waits"},
		"maxQueueSize=9 queueSizeRejectionThreshold=lots": {0, "queueSizeRejectionThreshold: not carried over"},
	} {
		file := "hystrix.threadpool.a.coreSize=7\nhystrix.command.a.execution.timeout.enabled=true\n"
		for line := range strings.FieldsSeq(text) {
			file += "hystrix.threadpool.a." + line + "\n"
		}
		im, err := legacy.Hystrix("config.properties", []byte(file))
		if err != nil {
			t.Fatal(err)
		}
		b := im.Targets["a"].Bulkhead
		if b == nil || b.Max != 7 || b.Queue != want.queue {
			t.Errorf("%s: %+v, want a queue of %d", text, b, want.queue)
		}
		if got := notes(t, im); !strings.Contains(got, want.note) || want.note == "" && strings.Contains(got, "ueueSize") {
			t.Errorf("%s: %s, want …%s…", text, got, want.note)
		}
	}
}

func TestHystrixAsYAML(t *testing.T) {
	im, err := legacy.Hystrix("application.yaml", []byte(`
hystrix:
  command:
    default:
      execution.isolation.thread.timeoutInMilliseconds: 1500
      circuitBreaker: {requestVolumeThreshold: 10}
`))
	want := map[string]resilience.Settings{"default": {Timeout: 1500 * time.Millisecond, Breaker: &resilience.BreakerSettings{MinCalls: 10, Probes: 1}}}
	if err != nil || !reflect.DeepEqual(im.Targets, want) || len(im.Notes) != 0 {
		t.Errorf("%v: %+v, %s", err, im.Targets, notes(t, im))
	}
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"500": 500 * time.Millisecond, "10s": 10 * time.Second, "10 S": 10 * time.Second, "2m": 2 * time.Minute, "1h": time.Hour,
		"PT1M30.5S": 90500 * time.Millisecond, "pt2h": 2 * time.Hour, "P1D": 24 * time.Hour,
		"": 0, "P": 0, "-5s": 0, "10 parsecs": 0, "1e9s": 0, "999999999999999d": 0, "${X}": 0, "0": 0,
	} {
		im, err := legacy.Resilience4j("a.properties", []byte("resilience4j.timelimiter.instances.x.timeoutDuration="+text+"\n"))
		if got := im.Targets["x"].Timeout; err != nil || got != want || (want == 0) != (len(im.Notes) == 1) {
			t.Errorf("%q is read as %s (%s), %v; want %s", text, got, notes(t, im), err, want)
		}
	}
}

func TestFilesThatCannotBeRead(t *testing.T) {
	laughs := "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b {p: *a, q: *a, r: *a, s: *a}\n"
	for c := 'c'; c < 'n'; c++ {
		laughs += string(c) + ": &" + string(c) + " {p: *" + string(c-1) + ", q: *" + string(c-1) + ", r: *" + string(c-1) + ", s: *" + string(c-1) + "}\n"
	}
	for name, data := range map[string]string{
		"not YAML":    "a: [",
		"not UTF-8":   "a: \xff",
		"too large":   strings.Repeat("#", legacy.MaxSize+1),
		"too many":    laughs,
		"itself":      "a: &a {b: *a}",
		"a deep nest": strings.Repeat("[", 200) + strings.Repeat("]", 200),
	} {
		if _, err := legacy.Resilience4j("f.yml", []byte(data)); err == nil && name != "a deep nest" || err != nil && !strings.HasPrefix(err.Error(), "f.yml: ") {
			t.Errorf("%s: %v", name, err)
		} else if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: more than one line: %q", name, err)
		}
	}
}

func TestABaseThatLeadsBack(t *testing.T) {
	im, err := legacy.Resilience4j("f.yml", []byte("resilience4j.retry: {configs: {a: {baseConfig: b, maxAttempts: 2}, b: {baseConfig: a}}, instances: {x: {baseConfig: a}}}"))
	if err != nil || im.Targets["x"].Retry.Attempts != 2 || !strings.Contains(notes(t, im), "leads back to itself") {
		t.Errorf("%v, %+v, %s", err, im.Targets, notes(t, im))
	}
}

func fuzz(f *testing.F, read func(string, []byte) (legacy.Import, error)) {
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, file := range []string{"f.yml", "f.properties"} {
			began := time.Now()
			im, err := read(file, data)
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("%s: reading %d bytes took %s", file, len(data), took)
			}
			if err != nil {
				continue
			}
			for name, s := range im.Targets {
				if err := s.Validate(); err != nil {
					t.Errorf("%s: %q: %v", file, name, err)
				}
			}
			for _, n := range im.Notes {
				if n.Line < 1 || n.Reason == "" {
					t.Errorf("%s: %+v", file, n)
				}
			}
		}
	})
}

func FuzzResilience4j(f *testing.F) {
	f.Add([]byte(spring))
	f.Add([]byte("resilience4j.circuitbreaker.instances.x.slowCallRateThreshold=50\nresilience4j.bulkhead.instances[a.b].max-wait-duration=PT5S\\\n"))
	fuzz(f, legacy.Resilience4j)
}

func FuzzHystrix(f *testing.F) {
	f.Add([]byte("hystrix.command.x.circuitBreaker.sleepWindowInMilliseconds=99999999999\nhystrix.threadpool.x.maxQueueSize=5\n"))
	f.Add([]byte("hystrix: {command: {default: {execution.timeout.enabled: false}}}"))
	fuzz(f, legacy.Hystrix)
}
