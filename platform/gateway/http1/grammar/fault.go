package grammar

import (
	"errors"
	"net/http"
)

// Fault is why a message is refused: the status to answer a client with, after which its
// connection must be closed, as nobody knows where the next message begins. For an
// instance's message Status is 502, and its connection must not be used again. Faults are
// made once: they are never changed, and one reason is always the same pointer.
type Fault struct {
	Status int    // 400, 414, 417, 431, 501, 505; 502 of an answer
	Reason string // what is wrong, for the client and the log: one line, without its bytes
}

// Error returns the reason.
func (f *Fault) Error() string { return f.Reason }

// ErrPreface is returned by [Request.Parse] for the connection preface of HTTP/2 (RFC 9113,
// 3.4), of which nothing is consumed. It is no fault at the beginning of a connection. After
// a request it is one: answer 505.
var ErrPreface = errors.New("the client speaks HTTP/2")

// fault is a reason, as the parsers return it. Zero: none.
type fault uint8

const (
	badStart fault = iota + 1
	badRequestLine
	badMethod
	longMethod
	badTarget
	longTarget
	badVersion
	otherVersion
	badForm
	otherHost
	noHost
	badHost
	twoHosts
	bareLF
	bareCR
	longHead
	manyFields
	folded
	spaceInName
	badName
	badValue
	aliasName
	badLength
	twoLengths
	lengthAndChunks
	badCoding
	otherCoding
	oldCoding
	badConnection
	badExpect
	twoExpects
	badStatusLine
	badChunkSize
	extension
	badChunkEnd
	badTrailer
	longTrailer
	preface // no fault: ErrPreface
)

var reasons = [...]struct {
	status int
	reason string
}{
	badStart:        {http.StatusBadRequest, "this is not HTTP: a request begins with a method"},
	badRequestLine:  {http.StatusBadRequest, "the request line is not METHOD TARGET HTTP/1.1 with one space between"},
	badMethod:       {http.StatusBadRequest, "the method has a character that none may have"},
	longMethod:      {http.StatusNotImplemented, "the method is longer than any that is known"},
	badTarget:       {http.StatusBadRequest, "the target has a character that must be percent-encoded, or a broken percent-encoding"},
	longTarget:      {http.StatusRequestURITooLong, "the target is too long"},
	badVersion:      {http.StatusBadRequest, "the request line does not end with a version of HTTP"},
	otherVersion:    {http.StatusHTTPVersionNotSupported, "only HTTP/1.0 and HTTP/1.1 are spoken here"},
	badForm:         {http.StatusBadRequest, "the target must be a path, or the URL of one; * only with OPTIONS, a host and port only with CONNECT"},
	otherHost:       {http.StatusBadRequest, "the target names another host than the Host field"},
	noHost:          {http.StatusBadRequest, "the Host field is missing"},
	badHost:         {http.StatusBadRequest, "the Host field is not a name or an address with or without a port"},
	twoHosts:        {http.StatusBadRequest, "there is more than one Host field"},
	bareLF:          {http.StatusBadRequest, "a line ends with LF alone"},
	bareCR:          {http.StatusBadRequest, "there is a CR within a line"},
	longHead:        {http.StatusRequestHeaderFieldsTooLarge, "the head is too large"},
	manyFields:      {http.StatusRequestHeaderFieldsTooLarge, "there are too many fields"},
	folded:          {http.StatusBadRequest, "a line begins with white space: a field may not go on there"},
	spaceInName:     {http.StatusBadRequest, "there is white space before the colon of a field"},
	badName:         {http.StatusBadRequest, "a line is not NAME: VALUE"},
	badValue:        {http.StatusBadRequest, "the value of a field has a control character"},
	aliasName:       {http.StatusBadRequest, "the name of a field differs by _ from one that says where messages end or go"},
	badLength:       {http.StatusBadRequest, "Content-Length is not a number of up to 18 digits, without leading zeros"},
	twoLengths:      {http.StatusBadRequest, "there is more than one Content-Length"},
	lengthAndChunks: {http.StatusBadRequest, "there are both Content-Length and Transfer-Encoding"},
	badCoding:       {http.StatusBadRequest, "Transfer-Encoding is not chunked, once"},
	otherCoding:     {http.StatusNotImplemented, "there is another transfer coding than chunked"},
	oldCoding:       {http.StatusBadRequest, "Transfer-Encoding is not of HTTP/1.0"},
	badConnection:   {http.StatusBadRequest, "the Connection field is not a short list of names, or names one that says where messages end or go"},
	badExpect:       {http.StatusExpectationFailed, "something else than 100-continue is expected"},
	twoExpects:      {http.StatusBadRequest, "there is more than one Expect field"},
	badStatusLine:   {http.StatusBadGateway, "the status line is not HTTP/1.1 and a status of three digits"},
	badChunkSize:    {http.StatusBadRequest, "the size of a chunk is not 1 to 16 hexadecimal digits"},
	extension:       {http.StatusBadRequest, "a chunk has an extension"},
	badChunkEnd:     {http.StatusBadRequest, "a chunk does not end where its size says"},
	badTrailer:      {http.StatusBadRequest, "there is a field in the trailers that may not be there"},
	longTrailer:     {http.StatusRequestHeaderFieldsTooLarge, "the trailers are too large"},
	preface:         {},
}

// The faults of requests and of answers.
var ofRequests, ofAnswers = faults(false), faults(true)

func faults(answers bool) (table [len(reasons)]*Fault) {
	for i, r := range reasons {
		if answers {
			r.status = http.StatusBadGateway
		}
		table[i] = &Fault{Status: r.status, Reason: r.reason}
	}
	return table
}

func (f fault) ofRequest() error { return ofRequests[f] }

func (f fault) ofAnswer() error { return ofAnswers[f] }
