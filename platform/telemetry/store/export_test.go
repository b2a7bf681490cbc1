package store

// Unsynced returns a configuration with which blocks are not synced to the disk.
func Unsynced(cfg Config) Config {
	cfg.unsynced = true
	return cfg
}
