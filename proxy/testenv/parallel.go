package testenv

import (
	"flag"
	"fmt"
	"strconv"
)

// Parallel lets n tests of a package run at a time, unless -parallel says how
// many. A TestMain calls it whose tests wait for the network more than they
// compute.
func Parallel(n int) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if given {
		return
	}
	if err := flag.Set("test.parallel", strconv.Itoa(n)); err != nil {
		panic(fmt.Sprintf("setting -parallel: %v", err)) // there is no test to fail yet
	}
}
