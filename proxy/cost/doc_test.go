// Package cost measures what a connection costs tlslift: allocations, bytes, processor
// time. The clients and the destination are a process of their own, so that what they use
// is not counted.
//
// peers_test.go has these, world_test.go the tlslift between them, bench_test.go what is
// measured. `.ci/run cost` compares the allocations with those of before. Only tests are
// here.
package cost
