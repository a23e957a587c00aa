// Package model has a test that lets clients, destinations and an operator do random
// things in random order, and knows at each step what has to hold. It complements
// proxy/soak, where each connection follows a plan of its own from the beginning.
//
// It is only tests: what has to hold is
//
//   - the bytes that arrive are those that were sent, in their order: a prefix of them if
//     something was cut off, and then it does not look whole;
//   - a destination gets nothing without TLS but its own STARTTLS negotiation, and nothing
//     at all if its certificate is not right;
//   - nobody reaches what the policy does not allow;
//   - each connection has one record, and the counters are the sum of the records;
//   - what was lost is failing, and what went well is not;
//   - in the end there is no connection, goroutine or open file left.
package model
