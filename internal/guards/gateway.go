package main

const (
	grammar   = "./platform/gateway/http1/grammar"
	refused   = "^TestRequestsThatAreRefused$"
	paths     = "./platform/gateway/route"
	canonical = "^TestCanonicalPath$"
	relay     = "./platform/gateway/relay"
	tokens    = "./platform/gateway/filter/jwt"
	handover  = "./platform/gateway/handover"
	outside   = "^TestWhatComesFromOutside$"
)

// gateway returns the guards of the edge: those against requests that are read in two ways,
// against who says of himself who he is, and against what reloads and take-overs could break.
func gateway() []guard {
	return []guard{
		{"edge: length and chunks together are refused", []edit{{"platform/gateway/http1/grammar/framing.go", "if m.length >= 0 && m.chunked {", "if m.length >= 0 && m.chunked && m.answer {"}}, grammar, refused},
		{"edge: a bare LF ends no line", []edit{{"platform/gateway/http1/grammar/scan.go", "case lf == s.line || buf[lf-1] != '\\r':", "case lf == s.line:"}}, grammar, refused},
		{"edge: a second Host is refused", []edit{{"platform/gateway/http1/grammar/framing.go", "if m.hasHost {", "if m.hasHost && m.answer {"}}, grammar, refused},
		{"edge: who asks is not what a client says", []edit{{"platform/gateway/header/header.go", "filter.SubjectField, filter.IssuerField", "filter.IssuerField"}}, "./platform/gateway", "^TestIdentityFromOutside$"},
		{"edge: nor in another spelling", []edit{{"platform/gateway/header/header.go", "filter.SameField(n, name)", "strings.EqualFold(n, name)"}}, "./platform/gateway", "^TestIdentityFromOutside$"},
		{"edge: nor in trailers", []edit{{"platform/gateway/http1/body.go", `append(b.last, "0\r\n\r\n"...)`, "append(b.last, in[pass:used]...)"}}, relay, "^TestTrailersEndAtTheEdge$/own"},
		{"edge: nor in trailers that net/http read", []edit{{"platform/gateway/proxy/serve.go", "out.Header, out.Trailer = header, nil", "out.Header = header"}}, relay, "^TestTrailersEndAtTheEdge$/net/http"},
		{"edge: nor how important it is", []edit{{"platform/gateway/relay/session.go", "case f.Is(\"muster-priority\"):\n\t\t\t\tf.Hop = true", "case f.Is(\"muster-priority\"):"}}, relay, outside + "/own"},
		{"edge: nor for how many others its trace stands", []edit{{"platform/gateway/relay/session.go", `f.Is("tracestate")`, `f.Is("tracestate") && f.Hop`}}, relay, outside + "/own"},
		{"edge: what Connection names goes no further", []edit{{"platform/gateway/http1/grammar/framing.go", "fields[i].Hop = true", "fields[i].Hop = false"}}, relay, outside + "/own"},
		{"edge: nor that net/http read", []edit{{"platform/gateway/proxy/header.go", " || connection != nil && header.Named(connection, name) {\n\t\t\tcontinue\n\t\t}\n\t\tout[", " || connection == nil && header.Named(connection, name) {\n\t\t\tcontinue\n\t\t}\n\t\tout["}}, relay, outside + "/net/http"},
		{"edge: what looks like Content-Length neither", []edit{{"platform/gateway/proxy/header.go", "header.Disguised(name)", "len(name) == 0"}}, relay, "^TestADisguisedLength$"},
		{"edge: a value has no line ends", []edit{{"platform/gateway/relay/fields.go", "bytesOf(inLine(value))", "bytesOf(value)"}}, relay, "^TestNoFieldIsTwo$"},
		{"edge: nor in a refusal", []edit{{"platform/gateway/relay/failure.go", "inLine(f.Value)", "f.Value"}}, relay, "^TestNoFieldIsTwo$"},
		{"filters: of two names the last counts alone", []edit{{"platform/gateway/filter/identity.go", `if r.Subject.ID == "" {`, `if r.Subject.ID == "" || r.Fields != nil {`}}, "./platform/gateway/filter", "^TestTheLastNameCounts$"},
		{"edge: ..; is a dot segment", []edit{{"platform/gateway/route/path.go", `name, _, _ := strings.Cut(segment, ";")`, "name := segment"}}, paths, canonical},
		{"edge: %2f is no slash", []edit{{"platform/gateway/route/path.go", "if v == '/' {", "if v == '/' && raw == \"\" {"}}, paths, canonical},
		{"external: without an answer nobody gets in", []edit{{"platform/gateway/filter/external/filter.go", "errors.Is(err, errAway) && f.cfg.AllowWhenAway", "errors.Is(err, errAway)"}}, "./platform/gateway/filter/external", "^TestItFailsClosed$"},
		{"jwt: a token ends", []edit{{"platform/gateway/filter/jwt/verify.go", "case !now.Before(exp.Add(f.leeway)):", "case !now.Before(exp.Add(f.leeway)) && !found:"}}, tokens, "^TestAttacks$"},
		{"jwt: a token that is remembered ends", []edit{{"platform/gateway/filter/jwt/filter.go", "now, v.ends)", "now, now.Add(24*time.Hour))"}}, tokens, "^TestTokensEnd$"},
		{"jwt: a token is for whom it is meant for", []edit{{"platform/gateway/filter/jwt/verify.go", "if !i.AnyAudience && !slices", "if !i.AnyAudience && len(audience) == 0 && !slices"}}, tokens, "^TestAttacks$"},
		{"jwt: a key that went takes its tokens along", []edit{{"platform/gateway/filter/jwt/filter.go", "if !found || v.key.Gone() {", "if !found {"}}, tokens, "^TestRotation$"},
		{"limit: the rate holds", []edit{{"call/quota/bucket.go", "wait > 0 {", "wait > longest {"}}, "./platform/gateway/filter/limit", "^TestLimit$"},
		{"edge: a bad document changes nothing", []edit{{"platform/gateway/routes.go", "\tnext, err := e.compile(doc)\n", "\tif err := e.keepRoutes(data); err != nil {\n\t\treturn nil, err\n\t}\n\tnext, err := e.compile(doc)\n"}}, "./platform/gateway", "^TestBadDocument$"},
		{"edge: nor ends a filter that goes on", []edit{{"platform/gateway/snapshot/snapshot.go", "s.Retire(before)", "s.Retire(nil)"}}, "./platform/gateway/snapshot", "."},
		{"take-over: who dies before it serves gets nothing", []edit{
			{"platform/gateway/handover/handover.go", "if err := hear(conn, serving); err != nil {", "if err := hear(conn, serving); err != nil && !errors.Is(err, io.EOF) {"},
			{"platform/gateway/handover/handover.go", "if gone(conn) {", "if gone(conn) && list == nil {"},
		}, handover, "^TestGivenUp$"},
		{"take-over: nor who died since it said that it serves", []edit{{"platform/gateway/handover/handover.go", "if gone(conn) {", "if gone(conn) && len(list) > 0 {"}}, handover, "^TestEndedSince$"},
		{"take-over: after one that failed orders are taken", []edit{{"platform/gateway/succession.go", "e.last = false", "e.last = r != nil"}}, "./platform/gateway", "^TestSuccessionBounds$"},
		{"edge: what is to close is not used again", []edit{{"platform/gateway/http1/upstream/conn.go", " || c.Head.Close ||", " ||"}}, relay, "^TestAConnectionThatIsToCloseIsNotUsedAgain$"},
		{"edge: what follows an answer is nobody's", []edit{{"platform/gateway/http1/upstream/conn.go", " || c.r != c.w {", " {"}}, relay, "^TestIdleConnectionThatSpeaks$"},
		{"edge: what an idle connection says is nobody's answer", []edit{{"platform/gateway/http1/upstream/conn.go", "\tif c.reused {\n", "\tif c.reused && c.err != nil {\n"}}, relay, "^TestIdleConnectionThatSpeaks$"},
		{"edge: what may have been done is not asked again", []edit{{"call/resilience/retry.go", "case f.Sent && !idempotent:", "case f.Sent && !idempotent && n < 1:"}}, relay, "^TestAskedAgainOnlyWhereThatIsSafe$"},
		{"edge: nor what is not there any more", []edit{{"platform/gateway/relay/session.go", "op.Idempotent = false", "op.Idempotent = op.Idempotent || x.Broken"}}, relay, "^TestAskedAgainOnlyWhereThatIsSafe$"},
		{"valve: who waited too long is turned away", []edit{{"platform/gateway/valve/valve.go", "> v.bounds[p.Class()].Load():", "> v.bounds[p.Class()].Load() && now.IsZero():"}}, "./platform/gateway/valve", "^TestLate$"},
		{"valve: the important first", []edit{{"call/admission/meter.go", "m.rates[p.Class()]", "m.rates[len(m.rates)-1]"}}, "./platform/gateway/valve", "^TestValve$"},
		{"valve: it is asked before anything is done", []edit{{"platform/gateway/relay/session.go", `g.Enter(&s.x, ""); err != nil {`, `g.Enter(&s.x, ""); err != nil && s.written {`}}, relay, "^TestWhoIsTurnedAwayCostsLittle$"},
		{"spans: the edge says who is turned away", []edit{{"platform/gateway/relay/session.go", "s.refuse() // before", "s.trace() // before"}}, relay, "^TestWhoIsTurnedAwayCostsLittle$"},
		{"spans: nothing is held of who is turned away", []edit{{"observe/edge.go", "ctx = spans.Refused(ctx)", "_ = spans.Refused(ctx)"}}, "./observe", "^TestARefusal"},
		{"spans: and that says the sampler", []edit{{"observe/spans/sampler.go", " || p.ParentContext.Value(refusedKey{}) != nil", ""}}, "./observe", "^TestARefusal"},
	}
}
