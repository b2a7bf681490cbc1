// Package engines proves that a whole service runs on a database that is neither SQLite nor PostgreSQL:
// its migrations, requests that are known again, sagas, events out and events in. There is nothing to import here.
package engines
