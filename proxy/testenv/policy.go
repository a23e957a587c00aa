package testenv

import (
	"errors"
	"testing"

	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/record"
)

// Endpoints returns endpoints as they are written in settings.
func Endpoints(t testing.TB, all ...string) []policy.Endpoint {
	t.Helper()
	var endpoints []policy.Endpoint
	for _, s := range all {
		e, err := policy.ParseEndpoint(s)
		if err != nil {
			t.Fatal(err)
		}
		endpoints = append(endpoints, e)
	}
	return endpoints
}

// ReasonOf returns the reason of a refusal by a policy; any other error fails the test.
func ReasonOf(t testing.TB, err error) record.Reason {
	t.Helper()
	var refusal *policy.Error
	if !errors.As(err, &refusal) {
		t.Fatalf("error is %T (%v), want *policy.Error", err, err)
	}
	return refusal.Reason
}

// A Checker allows or refuses destinations.
type Checker interface {
	Check(host string, port uint16) (policy.Destination, error)
}

// Verdict returns the reason for which c refuses hostport; nothing if it is allowed.
func Verdict(t testing.TB, c Checker, hostport string) record.Reason {
	t.Helper()
	want, err := policy.ParseDestination(hostport)
	if err != nil {
		t.Fatal(err)
	}
	d, err := c.Check(want.Host, want.Port)
	if err != nil {
		return ReasonOf(t, err)
	}
	if d != want {
		t.Errorf("Check(%s) allows %v", hostport, d)
	}
	return ""
}
