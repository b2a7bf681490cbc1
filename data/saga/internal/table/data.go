package table

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"google.golang.org/protobuf/proto"
)

// MaxData is the most bytes that a saga's data may have as they are written.
const MaxData = 1 << 20

// What is recorded begins with a byte that says how it is written.
const (
	asJSON  = 'j'
	asProto = 'p'
)

// Encode writes a saga's data: a protobuf message in its own form, the rest as JSON.
func Encode[T any](data T) ([]byte, error) {
	b := []byte{asJSON}
	m, ok := messageOf(&data)
	var err error
	if ok {
		b, err = proto.MarshalOptions{}.MarshalAppend([]byte{asProto}, m)
	} else {
		var text []byte
		text, err = json.Marshal(data)
		b = append(b, text...)
	}
	if err == nil && len(b) > MaxData {
		err = fmt.Errorf("%d bytes; at most %d are taken", len(b), MaxData)
	}
	if err != nil {
		return nil, fmt.Errorf("saga: the data cannot be recorded: %w", err)
	}
	return b, nil
}

// Decode reads a saga's data into what dst points to.
func Decode[T any](b []byte, dst *T) error {
	err := errors.New("written in a form that this release does not know")
	switch {
	case len(b) > 0 && b[0] == asJSON:
		err = json.Unmarshal(b[1:], dst)
	case len(b) > 0 && b[0] == asProto:
		err = fmt.Errorf("they are a protobuf message, and %T is none", *dst)
		if m, ok := messageOf(dst); ok {
			err = proto.Unmarshal(b[1:], m)
		}
	}
	if err != nil {
		return fmt.Errorf("saga: the recorded data cannot be read: %w", err)
	}
	return nil
}

// messageOf returns the protobuf message that data points to, when T or *T is one. A
// nil one is made.
func messageOf[T any](data *T) (proto.Message, bool) {
	if m, ok := any(data).(proto.Message); ok {
		return m, true
	}
	v := reflect.ValueOf(data).Elem()
	if _, ok := any(*data).(proto.Message); !ok || v.Kind() != reflect.Pointer {
		return nil, false
	}
	if v.IsNil() {
		v.Set(reflect.New(v.Type().Elem()))
	}
	return reflect.TypeAssert[proto.Message](v)
}
