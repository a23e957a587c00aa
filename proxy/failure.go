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

// policyReasons has a reason for each objection of the policy.
var policyReasons = map[policy.Kind]record.Reason{
	policy.Invalid:        record.ReasonDestinationInvalid,
	policy.IsAddress:      record.ReasonDestinationIsAddress,
	policy.HostNotAllowed: record.ReasonDestinationNotAllowed,
	policy.PortNotAllowed: record.ReasonPortNotAllowed,
}

func policyFailure(err error) *record.Failure {
	var p *policy.Error
	if errors.As(err, &p) {
		return record.Fail(policyReasons[p.Kind], err)
	}
	return record.Fail(record.ReasonDestinationInvalid, err)
}
