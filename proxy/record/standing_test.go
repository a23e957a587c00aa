package record

import "testing"

func TestStanding(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		r    Record
		want Standing
	}{
		"lifted":                             {Record{Outcome: OutcomeLifted}, StandingServed},
		"passed, and cut off":                {Record{Outcome: OutcomePassed, Reason: ReasonCutOff}, StandingServed},
		"refused":                            {Record{Outcome: OutcomeRefused, Reason: ReasonNoServerName}, StandingUnserved},
		"failed":                             {Record{Outcome: OutcomeFailed, Reason: ReasonUpstreamTimeout}, StandingUnserved},
		"no connection at all":               {Record{}, StandingUnserved},
		"outside of the client networks":     {Record{Outcome: OutcomeRefused, Reason: ReasonClientNotAllowed}, StandingUntrusted},
		"named, outside of the networks":     {Record{ClientName: "a", Outcome: OutcomeRefused, Reason: ReasonClientNotAllowed}, StandingNamed},
		"named and lifted":                   {Record{ClientName: "a", Outcome: OutcomeLifted}, StandingNamed},
		"lifted, and rejected by the server": {Record{Outcome: OutcomeLifted, Reason: ReasonSMTPRejected}, StandingServed},
	} {
		if got := tc.r.Standing(); got != tc.want {
			t.Errorf("%s: %d, want %d", name, got, tc.want)
		}
	}
	if got := StandingOf("", ReasonClientNotAllowed, true); got != StandingServed {
		t.Errorf("one that was served before it was shut out: %d", got)
	}
}
