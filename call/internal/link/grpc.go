package link

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
)

// Progress is how far an attempt got. grpc-go fills it in when the attempt has ended, if
// there was a stream: a stats handler would be told as much, at the cost of a dozen events.
type Progress struct {
	peer    peer.Peer   // set if the request was handed to a connection
	header  metadata.MD // set if the peer began to answer
	trailer metadata.MD
	room    [6]grpc.CallOption
}

// Follow returns the options of an attempt that is followed by p.
func (p *Progress) Follow(opts []grpc.CallOption) []grpc.CallOption {
	return append(append(p.room[:0], opts...), grpc.PeerCallOption{PeerAddr: &p.peer},
		grpc.HeaderCallOption{HeaderAddr: &p.header}, grpc.TrailerCallOption{TrailerAddr: &p.trailer})
}

// Answered reports whether the peer gave an answer, be it an error: each has a content
// type, which comes with the trailer where that is all there is.
func (p *Progress) Answered() bool {
	return len(p.header) > 0 || len(p.trailer["content-type"]) > 0
}

// Sent reports whether something of the request may have reached the peer.
func (p *Progress) Sent() bool { return p.peer.Addr != nil }

// minConnect is how long an attempt to connect may take.
const minConnect = 2 * time.Second

// GRPC returns a connection to one instance, in the clear where secure is nil.
func GRPC(addr string, dial func(ctx context.Context, addr string) (net.Conn, error), secure *tls.Config, more []grpc.DialOption) (*grpc.ClientConn, error) {
	creds := insecure.NewCredentials()
	if secure != nil {
		creds = credentials.NewTLS(secure)
	}
	return grpc.NewClient("passthrough:///"+addr, append([]grpc.DialOption{
		grpc.WithTransportCredentials(creds),
		grpc.WithContextDialer(dial),
		// whoever is back is to be noticed soon, however long it was away
		grpc.WithConnectParams(grpc.ConnectParams{MinConnectTimeout: minConnect, Backoff: backoff.Config{
			BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second,
		}}),
		grpc.WithDisableServiceConfig(), // retries are decided in one place, by the caller
	}, more...)...)
}
