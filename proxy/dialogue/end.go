package dialogue

import (
	"errors"

	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/relay"
)

// Settled returns the error of a relay, or nil if it is a cut-off of which the session
// shows whether anything is missing. Why nothing moved any more tells more than that.
func (f Finding) Settled(err error) error {
	var cut *relay.CutOffError
	if errors.As(err, &cut) && !cut.Unsent && !f.Lost && (f.Failure == nil || f.Failure.Reason != record.ReasonIdleTimeout) {
		return nil
	}
	return err
}

// End returns why a session that was relayed did not end well; nil if it did. Err is
// why the relay did not: nil or a *record.Failure.
func (f Finding) End(err error) error {
	if f.Failure != nil && (err == nil || saysOnlyThat(err)) {
		return f.Failure
	}
	return err
}

// saysOnlyThat reports whether err says only that a relay ended, and not what was wrong.
func saysOnlyThat(err error) bool {
	var f *record.Failure
	return errors.As(err, &f) && (f.Reason == record.ReasonRelayBroken || f.Reason == record.ReasonIdleTimeout)
}
