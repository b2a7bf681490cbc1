package ops

import (
	"context"
	"net/http"
)

// Get asks one service for JSON at a path below /.muster and reads it into out. It returns
// false for a service that has no such path, or does not speak HTTP.
func (s Service) Get(ctx context.Context, path string, out any) (bool, error) {
	err := none(s.ask(ctx, http.MethodGet, path, nil, out))
	if err == errNone { //nolint:errorlint // it is never wrapped
		return false, nil
	}
	return err == nil, err
}

// Order posts JSON to a path of one service and reads the answer into out. Who does not
// answer is named.
func (s Service) Order(ctx context.Context, path string, body, out any) error {
	return s.order(ctx, path, body, out)
}

// All asks all services at the same time and returns what those said that have something
// of the kind. Where some do not answer, the error is [Failures].
func All[T any](ctx context.Context, f *Fleet, ask func(context.Context, Service) (answer T, has bool, err error)) (map[string]T, error) {
	return each(ctx, f.Services, func(ctx context.Context, s Service) (T, error) {
		answer, has, err := ask(ctx, s)
		if err == nil && !has {
			err = errNone
		}
		return answer, err
	})
}
