// Package simulation plays histories of a small shop on the real packages of the
// library: sagas, outbox, inbox, barrier, idempotency keys, leases and parking, on real
// SQLite in memory and on the broker of bus/memory, in two or three processes that exist
// only here. Time is that of testing/synctest.
//
// Everything that leaves a process, each statement, commit, publication, receipt and
// call, passes one gate, one at a time: a seed decides whose turn it is and what becomes of
// it. The process dies before or after it, its answer is lost, it is late, or the process stands still for
// longer than its leases. Besides, the broker goes away, messages and calls come twice
// and late, a database's clock steps by an hour, people interfere, and a build with the next version
// of the saga replaces the one before. Then the faults end, and when all is quiet what must hold is checked; see
// [World] for what that is.
//
// What a seed decides is the order of all that leaves a process. What happens within one, such as
// the jitter of a pause, it does not decide: a seed that failed once fails again nearly always, not always.
package simulation
