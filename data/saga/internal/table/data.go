package table

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

// Given reads data as people give them, who were shown what was recorded: JSON in which
// nothing is unknown, of a protobuf message what is recorded, in base64.
func Given[T any](given json.RawMessage) ([]byte, error) {
	var data T
	if _, ok := messageOf(&data); ok {
		var recorded []byte
		if err := json.Unmarshal(given, &recorded); err != nil {
			return nil, fmt.Errorf("they are a protobuf message: give a string of base64: %w", err)
		}
		if err := Decode(recorded, &data); err != nil {
			return nil, err
		}
		return Encode(data)
	}
	d := json.NewDecoder(bytes.NewReader(given))
	d.DisallowUnknownFields()
	if err := d.Decode(&data); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more after the value")
	}
	return Encode(data)
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
