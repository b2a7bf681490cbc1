// Package cloudevents carries messages over HTTP, as the HTTP protocol binding and the
// JSON event format of CloudEvents 1.0.2 say
// (https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md):
// so any program, in any language, publishes with a POST and consumes as a web server.
//
// [FromRequest] reads all three modes: binary, where attributes are headers such as
// ce-id and the body is the data; structured, where one JSON object has both; and
// batched, a JSON array of those. [NewRequest] writes binary mode, which programs read
// without a library.
package cloudevents
