package proxy

import (
	"errors"

	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/record"
)

// asFailure gives any error of a step its reason; what no step has named is
// an internal error, so that nothing goes uncounted.
func asFailure(err error) *record.Failure {
	var f *record.Failure
	if errors.As(err, &f) {
		return f
	}
	return record.Fail(record.ReasonInternal, err)
}

func policyFailure(err error) *record.Failure {
	var p *policy.Error
	if errors.As(err, &p) {
		return record.Fail(p.Reason, err)
	}
	return record.Fail(record.ReasonDestinationInvalid, err)
}
