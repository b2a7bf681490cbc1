// Package logical reads PostgreSQL's own log, the WAL, by logical decoding: [NewStream] has
// the messages of an outbox leave by it instead of by a table, and [NewSource] tells what
// changes in a database that Muster does not own, for package data/cdc.
//
// Both need PostgreSQL 14 or newer with wal_level=logical, and a user with REPLICATION. Both
// keep a replication slot, and with it the server keeps all of its log that has not been
// read: while nobody reads, its disk fills. So set max_slot_wal_keep_size (10GB, say): then the server
// gives the slot up before the disk is full. What was lost by that, or by a slot that somebody dropped or made
// anew, is never skipped: reading stops, and says what to do.
package logical
