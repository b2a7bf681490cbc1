package grammar

import (
	"errors"
	"strings"
	"testing"
)

var refusedRequests = map[string]struct {
	head   string
	status int
	reason fault
}{
	"2.2 a bare LF after the request line":        {"GET / HTTP/1.1\nHost: a\r\n\r\n", 400, bareLF},
	"2.2 a bare LF after a field":                 {"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", 400, bareLF},
	"2.2 a bare LF at the end":                    {"GET / HTTP/1.1\r\nHost: a\r\n\n", 400, bareLF},
	"2.2 a bare CR in the request line":           {"GET /\r HTTP/1.1\r\nHost: a\r\n\r\n", 400, badTarget},
	"2.2 a bare CR after the method":              {"GET\r/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, bareCR},
	"2.2 a bare CR in a value":                    {"GET / HTTP/1.1\r\nHost: a\r\nX: b\rY: c\r\n\r\n", 400, bareCR},
	"2.2 a bare CR in a name":                     {"GET / HTTP/1.1\r\nHost: a\r\nX\r: b\r\n\r\n", 400, bareCR},
	"2.2 CR CR LF":                                {"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", 400, bareCR},
	"2.2 white space before the first field":      {"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400, folded},
	"2.2 two empty lines before it":               {"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, badStart},
	"2.2 a bare LF before it":                     {"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, badStart},
	"2.2 a TLS hello":                             {"\x16\x03\x01\x02\x00\x01", 400, badStart},
	"3 two spaces before the target":              {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400, badTarget},
	"3 two spaces before the version":             {"GET /  HTTP/1.1\r\nHost: a\r\n\r\n", 400, badTarget},
	"3 a tab":                                     {"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, badMethod},
	"3 a space after the version":                 {"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400, badVersion},
	"3 a space before the method":                 {" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, badStart},
	"3 a space in the target":                     {"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400, badTarget},
	"3 no target":                                 {"GET HTTP/1.1\r\nHost: a\r\n\r\n", 400, badVersion},
	"3 an empty target":                           {"GET  HTTP/1.1\r\nHost: a\r\n\r\n", 400, badRequestLine},
	"3 a method alone":                            {"GET\r\nHost: a\r\n\r\n", 400, badRequestLine},
	"3.1 a byte that no method has":               {"G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400, badMethod},
	"3.1 a long method":                           {strings.Repeat("A", 33) + " / HTTP/1.1\r\nHost: a\r\n\r\n", 501, longMethod},
	"3.2 NUL in the target":                       {"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n", 400, badTarget},
	"3.2 bytes that must be encoded":              {"GET /caf\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", 400, badTarget},
	"3.2 a fragment":                              {"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400, badTarget},
	"3.2 a broken encoding":                       {"GET /%4 HTTP/1.1\r\nHost: a\r\n\r\n", 400, badTarget},
	"3.2 an encoding of no digits":                {"GET /%4g/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, badTarget},
	"3 a long target":                             {"GET /" + strings.Repeat("a", 8<<10) + " HTTP/1.1\r\nHost: a\r\n\r\n", 414, longTarget},
	"3 a long target that does not end":           {"GET /" + strings.Repeat("a", 9<<10), 414, longTarget},
	"3.2 a relative path":                         {"GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400, badForm},
	"3.2 * with another method":                   {"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400, badForm},
	"3.2.2 another host":                          {"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, otherHost},
	"3.2.2 another port":                          {"GET http://a:81/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, otherHost},
	"3.2.2 a user":                                {"GET http://a@b/ HTTP/1.1\r\nHost: b\r\n\r\n", 400, badForm},
	"3.2.2 no host":                               {"GET http:///a HTTP/1.1\r\nHost: a\r\n\r\n", 400, badForm},
	"3.2.2 another scheme":                        {"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, badForm},
	"3.2.2 no slashes":                            {"GET http:a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, badForm},
	"3.2.3 a path with CONNECT":                   {"CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", 400, badForm},
	"3.2.3 no port":                               {"CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n", 400, badForm},
	"3.2.3 an address without a port":             {"CONNECT [::1] HTTP/1.1\r\nHost: [::1]\r\n\r\n", 400, badForm},
	"3.2.3 another host":                          {"CONNECT a:443 HTTP/1.1\r\nHost: b:443\r\n\r\n", 400, otherHost},
	"3.2.3 another method":                        {"GET a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 400, badForm},
	"3.2 no Host":                                 {"GET / HTTP/1.1\r\n\r\n", 400, noHost},
	"3.2 two Hosts":                               {"GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", 400, twoHosts},
	"3.2 two Hosts of HTTP/1.0":                   {"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400, twoHosts},
	"3.2 an empty Host":                           {"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400, badHost},
	"3.2 a path in Host":                          {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, badHost},
	"3.2 a list in Host":                          {"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400, badHost},
	"3.2 a user in Host":                          {"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400, badHost},
	"3.2 a port that is none":                     {"GET / HTTP/1.1\r\nHost: a:8o\r\n\r\n", 400, badHost},
	"3.2 an empty port":                           {"GET / HTTP/1.1\r\nHost: a:\r\n\r\n", 400, badHost},
	"3.2 a port alone":                            {"GET / HTTP/1.1\r\nHost: :80\r\n\r\n", 400, badHost},
	"3.2 a long port":                             {"GET / HTTP/1.1\r\nHost: a:000080\r\n\r\n", 400, badHost},
	"3.2 an address that is none":                 {"GET / HTTP/1.1\r\nHost: [::g]\r\n\r\n", 400, badHost},
	"3.2 an address that does not end":            {"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400, badHost},
	"3.2 a zone":                                  {"GET / HTTP/1.1\r\nHost: [fe80::1%eth0]\r\n\r\n", 400, badHost},
	"2.3 HTTP/2":                                  {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, otherVersion},
	"2.3 HTTP/1.2":                                {"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505, otherVersion},
	"2.3 HTTP/0.9":                                {"GET /\r\n\r\n", 400, badVersion},
	"2.3 small letters":                           {"GET / http/1.1\r\nHost: a\r\n\r\n", 400, badVersion},
	"2.3 two digits":                              {"GET / HTTP/1.10\r\nHost: a\r\n\r\n", 400, badVersion},
	"2.3 a letter":                                {"GET / HTTP/1.x\r\nHost: a\r\n\r\n", 400, badVersion},
	"RFC 9113 3.4 a preface that is none":         {"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", 505, otherVersion},
	"5.1 a space before the colon":                {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400, spaceInName},
	"5.1 a tab before the colon":                  {"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding\t: chunked\r\n\r\n", 400, spaceInName},
	"5.1 no colon":                                {"GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", 400, badName},
	"5.1 no name":                                 {"GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", 400, badName},
	"5.1 a byte that no name has":                 {"GET / HTTP/1.1\r\nHost: a\r\nX@: b\r\n\r\n", 400, badName},
	"5.1 a name outside of ASCII":                 {"GET / HTTP/1.1\r\nHost: a\r\nX\xff: b\r\n\r\n", 400, badName},
	"5.1 NUL in a name":                           {"GET / HTTP/1.1\r\nHost: a\r\nContent-Length\x00: 5\r\n\r\n", 400, badName},
	"5.2 obs-fold":                                {"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n", 400, folded},
	"5.2 obs-fold by a tab":                       {"GET / HTTP/1.1\r\nHost: a\r\n\tTransfer-Encoding: chunked\r\n\r\n", 400, folded},
	"RFC 9110 5.5 NUL in a value":                 {"GET / HTTP/1.1\r\nHost: a\r\nX: b\x00c\r\n\r\n", 400, badValue},
	"RFC 9110 5.5 a control byte far in a value":  {"GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("a\t", 20) + "\x7f\r\n\r\n", 400, badValue},
	"RFC 9110 5.5 a vertical tab around a value":  {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n", 400, badValue},
	"5.1 a name with _ for the length":            {"POST / HTTP/1.1\r\nHost: a\r\nContent_Length: 5\r\n\r\n", 400, aliasName},
	"5.1 a name with _ for the coding":            {"POST / HTTP/1.1\r\nHost: a\r\ntransfer_ENCODING: chunked\r\n\r\n", 400, aliasName},
	"6.3 both length and chunks":                  {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400, lengthAndChunks},
	"6.3 both chunks and length":                  {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n", 400, lengthAndChunks},
	"6.3 two lengths":                             {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 400, twoLengths},
	"6.3 the same length twice":                   {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", 400, twoLengths},
	"6.3 a list of lengths":                       {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\n", 400, badLength},
	"RFC 9110 8.6 a plus":                         {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n", 400, badLength},
	"RFC 9110 8.6 a minus":                        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n", 400, badLength},
	"RFC 9110 8.6 hexadecimal":                    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\n", 400, badLength},
	"RFC 9110 8.6 a leading zero":                 {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 010\r\n\r\n", 400, badLength},
	"RFC 9110 8.6 an underscore":                  {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1_0\r\n\r\n", 400, badLength},
	"RFC 9110 8.6 a fraction":                     {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5.0\r\n\r\n", 400, badLength},
	"RFC 9110 8.6 no length":                      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", 400, badLength},
	"RFC 9110 8.6 two numbers":                    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5 6\r\n\r\n", 400, badLength},
	"RFC 9110 8.6 19 digits":                      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000000000000\r\n\r\n", 400, badLength},
	"6.1 chunks of HTTP/1.0":                      {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400, oldCoding},
	"6.1 another coding":                          {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501, otherCoding},
	"6.1 another coding before":                   {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501, otherCoding},
	"6.1 another coding after":                    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n", 501, otherCoding},
	"6.1 chunked twice":                           {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", 400, badCoding},
	"6.1 two fields":                              {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400, badCoding},
	"6.1 no coding":                               {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n", 400, badCoding},
	"6.1 an empty element":                        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: ,chunked\r\n\r\n", 400, badCoding},
	"6.1 a parameter":                             {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked;a=b\r\n\r\n", 400, badCoding},
	"6.1 quotes":                                  {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n", 400, badCoding},
	"6.1 a name like it":                          {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", 501, otherCoding},
	"RFC 9110 7.6.1 no list of names":             {"GET / HTTP/1.1\r\nHost: a\r\nConnection: a b\r\n\r\n", 400, badConnection},
	"RFC 9110 7.6.1 Host":                         {"GET / HTTP/1.1\r\nHost: a\r\nConnection: close, host\r\n\r\n", 400, badConnection},
	"RFC 9110 7.6.1 Content-Length":               {"POST / HTTP/1.1\r\nHost: a\r\nConnection: Content-Length\r\nContent-Length: 5\r\n\r\n", 400, badConnection},
	"RFC 9110 7.6.1 too many names":               {"GET / HTTP/1.1\r\nHost: a\r\nConnection: " + strings.Repeat("a,", 17) + "\r\n\r\n", 400, badConnection},
	"RFC 9110 10.1.1 another expectation":         {"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 200-ok\r\n\r\n", 417, badExpect},
	"RFC 9110 10.1.1 twice":                       {"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-continue\r\nExpect: 100-continue\r\n\r\n", 400, twoExpects},
	"RFC 6585 5 a large field":                    {"GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("a", 64<<10) + "\r\n\r\n", 431, longHead},
	"RFC 6585 5 a field that does not end":        {"GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("a", 64<<10), 431, longHead},
	"RFC 6585 5 too many fields":                  {"GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("a: b\r\n", 100) + "\r\n", 431, manyFields},
	"RFC 6585 5 too many fields that do not end":  {"GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("a: b\r\n", 101), 431, manyFields},
	"RFC 6585 5 a head that is larger by its end": {"GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("a", 64<<10-31) + "\r\n\r\n", 431, longHead},
}

func TestRequestsThatAreRefused(t *testing.T) {
	for section, test := range refusedRequests {
		t.Run(section, func(t *testing.T) {
			var r Request
			n, err := r.Parse([]byte(test.head))
			var f *Fault
			if n != 0 || !errors.As(err, &f) {
				t.Fatalf("%d, %v", n, err)
			}
			if f.Status != test.status || !errors.Is(err, test.reason.ofRequest()) {
				t.Errorf("%d: %s; want %d: %s", f.Status, f, test.status, test.reason.ofRequest())
			}
			if n, err := r.Parse([]byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n")); n != 27 || err != nil {
				t.Errorf("the next request: %d, %v", n, err)
			}
		})
	}
}
