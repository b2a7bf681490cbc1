package request

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/musterdev/muster/drivers/kafka/internal/wire"
)

// Group asks about one consumer group, on a connection that nobody else's joins wait on.
type Group struct {
	Client *kgo.Client
	Owner  string // of the log
	Name   string
}

// protocolType is what Kafka's tools know consumers by.
const protocolType = "consumer"

// Join says what a member holds, and waits for the others to do so, up to joining. The
// answer is nil only where the broker did not answer; it has the member's name also with
// kerr.MemberIDRequired, after which it is to join again by that.
func (g Group) Join(ctx context.Context, member string, me wire.Member, session, joining time.Duration) (*kmsg.JoinGroupResponse, error) {
	told, err := wire.Write(me)
	if err != nil {
		return nil, err
	}
	m := kmsg.NewConsumerMemberMetadata()
	m.Topics, m.UserData = []string{wire.LogOf(g.Owner)}, told
	p := kmsg.NewJoinGroupRequestProtocol()
	p.Name, p.Metadata = wire.Protocol, m.AppendTo(nil)
	req := kmsg.NewPtrJoinGroupRequest()
	req.Group, req.MemberID, req.ProtocolType = g.Name, member, protocolType
	req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = int32(session/time.Millisecond), int32(joining/time.Millisecond) //nolint:gosec // seconds
	req.Protocols = append(req.Protocols, p)
	answer, err := req.RequestWith(ctx, g.Client)
	if err != nil {
		return nil, err
	}
	return answer, kerr.ErrorForCode(answer.ErrorCode)
}

// Share says who has which lane, when the member that joined is to, and returns its own part.
func (g Group) Share(ctx context.Context, joined *kmsg.JoinGroupResponse) (wire.Share, error) {
	req := kmsg.NewPtrSyncGroupRequest()
	protocol, kind := wire.Protocol, protocolType
	req.Group, req.MemberID, req.Generation = g.Name, joined.MemberID, joined.Generation
	req.ProtocolType, req.Protocol = &kind, &protocol
	if joined.LeaderID == joined.MemberID {
		for name, share := range shareOut(joined) {
			a := kmsg.NewSyncGroupRequestGroupAssignment()
			var err error
			a.MemberID = name
			if a.MemberAssignment, err = assignment(g.Owner, share); err != nil {
				return wire.Share{}, err
			}
			req.GroupAssignment = append(req.GroupAssignment, a)
		}
	}
	answer, err := req.RequestWith(ctx, g.Client)
	if err == nil {
		err = kerr.ErrorForCode(answer.ErrorCode)
	}
	if err != nil {
		return wire.Share{}, err
	}
	return readShare(answer.MemberAssignment)
}

// Beat gives a sign of life.
func (g Group) Beat(ctx context.Context, member string, generation int32) error {
	req := kmsg.NewPtrHeartbeatRequest()
	req.Group, req.MemberID, req.Generation = g.Name, member, generation
	answer, err := req.RequestWith(ctx, g.Client)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(answer.ErrorCode)
}

// Leave tells the broker that a member goes.
func (g Group) Leave(ctx context.Context, member string) error {
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group, req.MemberID = g.Name, member
	m := kmsg.NewLeaveGroupRequestMember()
	m.MemberID = member
	req.Members = append(req.Members, m)
	_, err := req.RequestWith(ctx, g.Client)
	return err
}

// shareOut says who has which lane.
func shareOut(answer *kmsg.JoinGroupResponse) map[string]wire.Share {
	members := map[string]wire.Member{}
	for _, m := range answer.Members {
		var meta kmsg.ConsumerMemberMetadata
		var told wire.Member
		if err := meta.ReadFrom(m.ProtocolMetadata); err == nil {
			_ = json.Unmarshal(meta.UserData, &told) // one that cannot be read holds nothing
		}
		members[m.MemberID] = told
	}
	return wire.Shares(members, wire.Lanes)
}

// assignment writes a member's share as Kafka's tools read it.
func assignment(owner string, share wire.Share) (text []byte, err error) {
	a := kmsg.NewConsumerMemberAssignment()
	t := kmsg.NewConsumerMemberAssignmentTopic()
	t.Topic = wire.LogOf(owner)
	for _, n := range share.Lanes {
		t.Partitions = append(t.Partitions, int32(n)) //nolint:gosec // lanes are few
	}
	a.Topics = append(a.Topics, t)
	if a.UserData, err = wire.Write(share); err != nil {
		return nil, err
	}
	return a.AppendTo(nil), nil
}

func readShare(b []byte) (share wire.Share, err error) {
	var a kmsg.ConsumerMemberAssignment
	if err = a.ReadFrom(b); err == nil {
		err = json.Unmarshal(a.UserData, &share)
	}
	if err != nil {
		err = fmt.Errorf("kafka: what the group's leader sent cannot be read: %w", err)
	}
	return share, err
}
