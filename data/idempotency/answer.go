package idempotency

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"google.golang.org/protobuf/proto"
)

// An answer on record begins with a byte that says how it is written; so none is
// empty, which some drivers read as NULL.
const (
	asJSON  = 'j'
	asProto = 'p'
)

// encode writes an answer: a protobuf message in its own form, the rest as JSON.
func encode(answer any) ([]byte, error) {
	if m, ok := answer.(proto.Message); ok {
		b, err := proto.MarshalOptions{}.MarshalAppend([]byte{asProto}, m)
		if err != nil {
			return nil, fmt.Errorf("idempotency: the answer cannot be recorded: %w", err)
		}
		return b, nil
	}
	b, err := json.Marshal(answer)
	if err != nil {
		return nil, fmt.Errorf("idempotency: the answer cannot be recorded: %w", err)
	}
	return append([]byte{asJSON}, b...), nil
}

// decode reads an answer into what dst points to.
func decode(b []byte, dst any) error {
	v := reflect.ValueOf(dst)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return fmt.Errorf("idempotency: an answer is read into a pointer, not into a %T", dst)
	}
	err := errors.New("written in a form this release does not know")
	switch {
	case len(b) > 0 && b[0] == asJSON:
		err = json.Unmarshal(b[1:], dst)
	case len(b) > 0 && b[0] == asProto:
		m, ok := dst.(proto.Message)
		if !ok { // dst is a *M with M a message's pointer type, which may be nil
			if e := v.Elem(); e.Kind() == reflect.Pointer {
				e.Set(reflect.New(e.Type().Elem()))
				m, ok = reflect.TypeAssert[proto.Message](e)
			}
		}
		if err = fmt.Errorf("it is a protobuf message, and %T is none", dst); ok {
			err = proto.Unmarshal(b[1:], m)
		}
	}
	if err != nil {
		return fmt.Errorf("idempotency: the recorded answer cannot be read: %w", err)
	}
	return nil
}
