// Package failsafe compares the policies of package resilience with those of
// github.com/failsafe-go/failsafe-go: the cases of its own tests are rerun on both, as
// are random sequences, and the same stack is measured on both. It is a module of its
// own, so that the library does not depend on its oracle.
//
// Where they differ on purpose, the comparison says so and steers around it:
//
//   - The breaker here counts over time only; failsafe-go's can also count over a number
//     of calls. Cases of that kind are rerun where both mean the same within the case.
//   - Half-open, one failed probe opens the breaker and a fixed number of good ones
//     closes it. failsafe-go can tolerate some failures (a success ratio).
//   - A probe that succeeded keeps its place here, so that no more calls go through than
//     are needed to close; failsafe-go lets another through.
//   - The result of a call that began under an earlier state is ignored here;
//     failsafe-go counts it towards the present state.
//   - Probes that never end are replaced here after the open time; failsafe-go waits.
//   - failsafe-go rounds a failure rate to whole percents before it compares.
//   - failsafe-go's windows follow the wall clock, which can be set back.
//   - A hedge here waits for the other attempt when one fails; failsafe-go ends with
//     whatever comes first unless told otherwise. Here the first attempt's failure
//     before the delay is returned at once.
//   - The budget here is a share of the calls of the last ten seconds; failsafe-go's is a
//     share of the calls in flight.
//   - Backoff here has full jitter; failsafe-go's is exact unless told otherwise.
package failsafe
