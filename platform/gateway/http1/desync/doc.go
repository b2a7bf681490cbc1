// Package desync holds requests that HTTP programs are known to read differently, and makes
// new ones of them: what request smuggling is built from. It is for tests. Its own put a
// whole edge in front of servers of several kinds, and compare what each of them sees.
//
// The requests are written from RFC 9110 and 9112, and from what is publicly known of attacks.
package desync
