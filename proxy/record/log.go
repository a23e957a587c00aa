package record

import (
	"context"
	"log/slog"
	"time"
)

// Fields of the log line of a connection. They are a public interface: they
// are named here once, and LogFields documents them.
const (
	// FieldTimes is only in lines that stand for several connections.
	FieldTimes       = "times"
	fieldOutcome     = "outcome"
	FieldClient      = "client"
	FieldClientName  = "client_name"
	FieldListener    = "listener"
	fieldOriginal    = "original"
	fieldProtocol    = "protocol"
	FieldDestination = "destination"
	fieldServerName  = "server_name"
	fieldOffered     = "offered"
	fieldRule        = "rule"
	FieldReason      = "reason"
	fieldCause       = "cause"
	fieldRemedy      = "remedy"
	fieldDetail      = "detail"
	fieldClientTLS   = "client_tls"
	fieldUpstreamTLS = "upstream_tls"
	fieldSMTPReply   = "smtp_reply"
	fieldMailbox     = "mailbox"
	fieldLogin       = "login"
	fieldFromClient  = "bytes_from_client"
	fieldToClient    = "bytes_to_client"
	fieldDuration    = "duration_seconds"
)

// A LogField documents one field of the log line of a connection.
type LogField struct{ Name, Meaning string }

// LogFields returns the fields in the order in which they are written. A field
// without a value is left out of the line.
func LogFields() []LogField {
	return []LogField{
		{FieldTimes, "how many connections this line stands for; only in lines `connection repeated`"},
		{fieldOutcome, "`passed`, `lifted`, `refused` or `failed`"},
		{FieldClient, "the client's address"},
		{FieldClientName, "the client's name in the clients file"},
		{FieldListener, "the listener that accepted it"},
		{fieldOriginal, "the original destination, address and port, of a redirected client"},
		{fieldProtocol, "`smtp`, `imap`, `pop3`, `http`, `tls` for anything else inside TLS, or `unknown` if the client did not get that far"},
		{FieldDestination, "host and port of the destination, as allowed"},
		{fieldServerName, "the server name (SNI) in the client's ClientHello"},
		{fieldOffered, "the newest TLS version that the client offered"},
		{fieldRule, "the rule that decided (see the table of rules)"},
		{FieldReason, "why it was refused, failed or broke off (see the table of reasons)"},
		{fieldCause, "the reason in a sentence"},
		{fieldRemedy, "what to do about it"},
		{fieldDetail, "the underlying error"},
		{fieldClientTLS, "version, cipher suite and whether the session was resumed, with the client"},
		{fieldUpstreamTLS, "the same with the destination"},
		{fieldSMTPReply, "the last negative SMTP reply of the destination in a lifted session, for example `550 5.7.60`"},
		{fieldMailbox, "the mailbox that tlslift signs in to for the client, also where that fails"},
		{fieldLogin, "the login by which the client signed in at tlslift"},
		{fieldFromClient, "bytes relayed from the client"},
		{fieldToClient, "bytes relayed to the client"},
		{fieldDuration, "how long the connection lasted, in seconds"},
	}
}

// Level returns the level of the log line: what an administrator may have to act
// on is a warning.
func (r *Record) Level() slog.Level {
	if r.IsHealthCheck() {
		return slog.LevelDebug
	}
	if r.SMTPReply != "" {
		return max(r.Reason.Level(), slog.LevelWarn)
	}
	return r.Reason.Level()
}

// mostAttrs is how many fields a line has at most, without those of repeats.
const mostAttrs = 22

// Log writes the log line. It asks for no place in the program: that costs a third of a line.
func (r *Record) Log(ctx context.Context, log *slog.Logger) {
	to := log.Handler()
	if !to.Enabled(ctx, r.Level()) {
		return
	}
	line := slog.NewRecord(time.Now(), r.Level(), "connection", 0)
	var room [mostAttrs]slog.Attr
	line.AddAttrs(r.appendAttrs(room[:0])...)
	_ = to.Handle(ctx, line) // nobody could be told
}

// Attrs returns the fields of the log line.
func (r *Record) Attrs() []slog.Attr { return r.appendAttrs(make([]slog.Attr, 0, mostAttrs)) }

func (r *Record) appendAttrs(a []slog.Attr) []slog.Attr {
	text := func(name, value string) {
		if value != "" {
			a = append(a, slog.String(name, value))
		}
	}
	text(fieldOutcome, string(r.Outcome))
	text(FieldClient, r.Client.String())
	text(FieldClientName, r.ClientName)
	text(FieldListener, r.Listener)
	if r.Original.IsValid() {
		text(fieldOriginal, r.Original.String())
	}
	text(fieldProtocol, string(r.Protocol))
	text(FieldDestination, r.Destination)
	text(fieldServerName, r.ServerName)
	text(fieldOffered, r.OfferedVersion)
	text(fieldRule, string(r.Rule))
	text(FieldReason, string(r.Reason))
	text(fieldCause, r.Reason.Cause())
	text(fieldRemedy, r.Reason.Remedy())
	if r.Err != nil {
		text(fieldDetail, r.Err.Error())
	}
	text(fieldClientTLS, r.ClientTLS.String())
	text(fieldUpstreamTLS, r.UpstreamTLS.String())
	text(fieldSMTPReply, r.SMTPReply)
	text(fieldMailbox, r.Mailbox)
	text(fieldLogin, r.Login)
	return append(a, slog.Int64(fieldFromClient, r.BytesFromClient), slog.Int64(fieldToClient, r.BytesToClient),
		slog.Float64(fieldDuration, r.Duration.Seconds()))
}
