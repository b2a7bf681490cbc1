package sqlite

import "errors"

func dropRights() error { return errors.New("not on Windows") }
