package keys

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// recall takes the keys into use that were fetched before a restart.
func (k *Keeper) recall() {
	if k.cfg.File == "" {
		return
	}
	set, err := os.ReadFile(k.cfg.File)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var keys []*Key
	if err == nil {
		keys, err = Parse(set)
	}
	if err != nil {
		k.cfg.Log.Warn("the keys that were kept cannot be read", "file", k.cfg.File, "error", err)
		return
	}
	k.Set(keys)
}

// keep writes the keys to the file, as a whole or not at all. Who can write there can make
// tokens, so that it is for this user only.
func (k *Keeper) keep(keys []*Key) {
	if k.cfg.File == "" {
		return
	}
	doc := struct {
		Keys []json.RawMessage `json:"keys"`
	}{Keys: []json.RawMessage{}}
	for _, key := range keys {
		doc.Keys = append(doc.Keys, json.RawMessage(key.sum))
	}
	text, err := json.MarshalIndent(doc, "", "  ")
	if err == nil {
		err = replace(k.cfg.File, text)
	}
	if err != nil {
		k.cfg.Log.Warn("the keys of the issuer cannot be kept for a restart", "file", k.cfg.File, "error", err)
	}
}

func replace(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // 0600
	if err != nil {
		return err
	}
	_, err = tmp.Write(content)
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		_ = os.Remove(tmp.Name())
	}
	return err
}
