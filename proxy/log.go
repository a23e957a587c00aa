package proxy

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// Fields of the log line of a connection. They are a public interface: they
// are named here once, and LogFields documents them.
const (
	fieldOutcome     = "outcome"
	fieldClient      = "client"
	fieldClientName  = "client_name"
	fieldListener    = "listener"
	fieldOriginal    = "original"
	fieldProtocol    = "protocol"
	fieldDestination = "destination"
	fieldServerName  = "server_name"
	fieldOffered     = "offered"
	fieldWhy         = "why"
	fieldReason      = "reason"
	fieldCause       = "cause"
	fieldRemedy      = "remedy"
	fieldDetail      = "detail"
	fieldClientTLS   = "client_tls"
	fieldUpstreamTLS = "upstream_tls"
	fieldSMTPReply   = "smtp_reply"
	fieldFromClient  = "bytes_from_client"
	fieldToClient    = "bytes_to_client"
	fieldDuration    = "duration"
)

// A LogField documents one field of the log line of a connection.
type LogField struct{ Name, Meaning string }

// LogFields returns the fields in the order in which they are written. A field
// without a value is left out of the line.
func LogFields() []LogField {
	return []LogField{
		{fieldOutcome, "`passed`, `lifted`, `refused` or `failed`"},
		{fieldClient, "the client's address"},
		{fieldClientName, "the client's name in the clients file"},
		{fieldListener, "the listener that accepted it"},
		{fieldOriginal, "the address and port that a redirected client was going to"},
		{fieldProtocol, "`smtp`, `imap`, `pop3`, `http`, `tls` for whatever else is inside TLS, or `unknown` when the client did not get that far"},
		{fieldDestination, "host and port that the client wanted, as allowed"},
		{fieldServerName, "the name in the client's ClientHello (SNI)"},
		{fieldOffered, "the newest TLS version the client offered"},
		{fieldWhy, "the rule that decided: `capable`, or what the client lacks (`tls_version`, `cipher_suites`, `signature_algorithms`, `groups`, `hello_format`), `destination_refused`, `opening_differs` when one side begins with TLS and the other with STARTTLS, `plaintext` when the client may do without TLS, or `other_destination` when it was going to where tlslift may not and the listener says `other=pass`"},
		{fieldReason, "why it was refused, failed or broken off (see the table of reasons)"},
		{fieldCause, "the reason in a sentence"},
		{fieldRemedy, "what to do about it"},
		{fieldDetail, "the underlying error"},
		{fieldClientTLS, "version, cipher suite and whether the session was resumed, with the client"},
		{fieldUpstreamTLS, "the same with the destination"},
		{fieldSMTPReply, "the last negative SMTP reply of the destination in a lifted session, as in `550 5.7.60`"},
		{fieldFromClient, "bytes relayed from the client"},
		{fieldToClient, "bytes relayed to the client"},
		{fieldDuration, "how long the connection lasted"},
	}
}

// record completes the record of a connection and hands it to the observer and
// the log, in this order: who reads the line finds the metrics up to date.
func (s *Server) record(ctx context.Context, c *client, err error) {
	rec := c.rec
	rec.Duration = time.Since(rec.Start)
	if err != nil && !errors.Is(err, errServed) {
		f := asFailure(err)
		rec.Outcome, rec.Reason, rec.Err = f.outcome, f.reason, f.err
	}
	if ctx.Err() != nil {
		rec.Reason = ReasonCutOff
	}
	if s.cfg.Observer != nil {
		s.cfg.Observer.Closed(rec)
	}
	s.log.LogAttrs(context.WithoutCancel(ctx), rec.level(), "connection", rec.attrs()...)
}

// level keeps the log quiet: port checks are only for debugging, what an
// administrator may have to act on is a warning.
func (r *Record) level() slog.Level {
	switch {
	case r.Reason == ReasonClosedBeforeHello:
		return slog.LevelDebug
	case r.Reason == ReasonClosedBeforeTLS:
		// A monitor of the mail port, or a client that finds no sign-in without
		// TLS and gives up.
		return slog.LevelInfo
	case r.Reason == ReasonInternal:
		return slog.LevelError
	case r.Outcome == OutcomeRefused || r.Outcome == OutcomeFailed, r.SMTPReply != "":
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

func (r *Record) attrs() []slog.Attr {
	a := make([]slog.Attr, 0, 20)
	text := func(name, value string) {
		if value != "" {
			a = append(a, slog.String(name, value))
		}
	}
	text(fieldOutcome, string(r.Outcome))
	text(fieldClient, r.Client.String())
	text(fieldClientName, r.ClientName)
	text(fieldListener, r.Listener)
	if r.Original.IsValid() {
		text(fieldOriginal, r.Original.String())
	}
	text(fieldProtocol, r.Protocol)
	text(fieldDestination, r.Destination)
	text(fieldServerName, r.ServerName)
	text(fieldOffered, r.OfferedVersion)
	text(fieldWhy, r.Why)
	text(fieldReason, string(r.Reason))
	text(fieldCause, r.Reason.Cause())
	text(fieldRemedy, r.Reason.Remedy())
	if r.Err != nil {
		text(fieldDetail, r.Err.Error())
	}
	text(fieldClientTLS, r.ClientTLS.String())
	text(fieldUpstreamTLS, r.UpstreamTLS.String())
	text(fieldSMTPReply, r.SMTPReply)
	return append(a, slog.Int64(fieldFromClient, r.BytesFromClient),
		slog.Int64(fieldToClient, r.BytesToClient), slog.Duration(fieldDuration, r.Duration))
}

// String says version, suite and whether the session was resumed; empty for
// nil.
func (h *Handshake) String() string {
	if h == nil {
		return ""
	}
	s := h.Version + " " + h.CipherSuite
	if h.Resumed {
		s += " resumed"
	}
	return s
}
