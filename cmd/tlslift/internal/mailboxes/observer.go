package mailboxes

import (
	"log/slog"
	"time"

	"github.com/tlslift/tlslift/proxy/record"
)

// An Observer logs and counts what happens to requests for tokens. It implements
// entra.Observer.
type Observer struct {
	Log *slog.Logger
	// Count counts a request; reason is empty when it gave a token.
	Count func(reason record.Reason, took time.Duration)
}

// TokenRequested implements entra.Observer.
func (o Observer) TokenRequested(reason record.Reason, took time.Duration) {
	o.Count(reason, took)
	if reason == "" {
		o.Log.Debug("got a token from Entra", "duration_seconds", took.Seconds())
		return
	}
	o.Log.Warn("no token from Entra", "reason", string(reason), "cause", reason.Cause(), "remedy", reason.Remedy())
}

// LoginNotStored implements entra.Observer.
func (o Observer) LoginNotStored(err error) {
	o.Log.Error("storing a renewed sign-in; the one before serves on", "error", err.Error())
}
