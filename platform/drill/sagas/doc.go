// Package sagas crashes the process that carries on a saga at every one of its inputs and
// outputs, and looks whether the saga ends nevertheless, with each effect once.
//
// The fleet runs as real processes, started with [crash.Variable] set to "on". A drill lets
// one visitor begin one saga and has the process record what it does meanwhile: every SQL
// statement, commit, rollback and write to a network. For each of these, before it and after
// it, another visitor comes, the process kills itself there with SIGKILL, its supervisor
// starts it again, and the drill waits until all is quiet and asks what became of it.
//
// Nothing is waited for by the clock but the length of the recording: what happens in a
// process while nobody asks it anything is what would happen in production.
package sagas
