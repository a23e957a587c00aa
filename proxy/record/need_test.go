package record

import "testing"

func TestNeed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rule   Rule
		reason Reason
		want   Need
	}{
		{RuleCapable, "", NeedNone},
		{RuleCapable, ReasonUpstreamTimeout, NeedNone},
		{RuleTLSVersion, "", NeedLifting},
		{RuleTLSVersion, ReasonSSL3Only, NeedLifting},
		{RuleTLSVersion, ReasonCipherSuiteDisabled, NeedLifting},   // RC4 only
		{RuleCipherSuites, ReasonNoSharedCipherSuite, NeedLifting}, // export only
		{RuleHelloFormat, ReasonClientUnknownCA, NeedLifting},      // never lifted
		{RuleTLSVersion, ReasonInappropriateFallback, NeedLifting}, // offers no more
		{RuleDestinationRefused, "", NeedLifting},                  // its hello did not do
		{RuleTLSModeMismatch, "", NeedLifting},                     // its dialogue did not do
		{RuleSignIn, "", NeedLifting},                              // its TLS would do, its password does not
		{RuleSignIn, ReasonSigninPasswordWrong, NeedLifting},       // nor now
		{RulePlaintext, "", NeedLifting},                           // no TLS at all
		{"", ReasonSSL2Only, NeedLifting},
		{"", ReasonPlaintextNotAllowed, NeedLifting},
		{RuleBypass, "", NeedUnknown},
		{"", ReasonClosedBeforeTLS, NeedUnknown},
		{"", ReasonHelloTimeout, NeedUnknown},
	} {
		if got := (&Record{Rule: c.rule, Reason: c.reason}).Need(); got != c.want {
			t.Errorf("%q %q: %d, want %d", c.rule, c.reason, got, c.want)
		}
	}
	for _, r := range Rules() {
		if (&Record{Rule: r}).Need() == NeedUnknown && r != RuleBypass {
			t.Errorf("%s says nothing about need", r)
		}
	}
}
