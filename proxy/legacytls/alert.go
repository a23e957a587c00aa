package legacytls

import (
	"errors"
	"fmt"
	"io"
)

// An alert is an AlertDescription of RFC 5246 section 7.2.
type alert uint8

// The alerts.
const (
	alertCloseNotify           alert = 0
	alertUnexpectedMessage     alert = 10
	alertBadRecordMAC          alert = 20
	alertRecordOverflow        alert = 22
	alertHandshakeFailure      alert = 40
	alertIllegalParameter      alert = 47
	alertDecodeError           alert = 50
	alertDecryptError          alert = 51
	alertProtocolVersion       alert = 70
	alertInternalError         alert = 80
	alertInappropriateFallback alert = 86
	alertNoRenegotiation       alert = 100
)

// The levels of an alert.
const (
	levelWarning = 1
	levelFatal   = 2
)

var alertNames = map[alert]string{
	alertCloseNotify: "close_notify", alertUnexpectedMessage: "unexpected_message",
	alertBadRecordMAC: "bad_record_mac", 21: "decryption_failed", alertRecordOverflow: "record_overflow",
	30: "decompression_failure", alertHandshakeFailure: "handshake_failure", 41: "no_certificate",
	42: "bad_certificate", 43: "unsupported_certificate", 44: "certificate_revoked",
	45: "certificate_expired", 46: "certificate_unknown", alertIllegalParameter: "illegal_parameter",
	48: "unknown_ca", 49: "access_denied", alertDecodeError: "decode_error", alertDecryptError: "decrypt_error",
	60: "export_restriction", alertProtocolVersion: "protocol_version", 71: "insufficient_security",
	alertInternalError: "internal_error", alertInappropriateFallback: "inappropriate_fallback",
	90: "user_canceled", alertNoRenegotiation: "no_renegotiation", 110: "unsupported_extension",
	112: "unrecognized_name",
}

func (a alert) String() string {
	if name, known := alertNames[a]; known {
		return name
	}
	return fmt.Sprintf("alert(%d)", uint8(a))
}

// An AlertError is a fatal alert that the client sent.
type AlertError struct {
	// Description is the AlertDescription of RFC 5246 section 7.2.
	Description uint8
}

func (e *AlertError) Error() string {
	return "the client sent the alert " + alert(e.Description).String()
}

// A ProtocolError says how a client broke the protocol, or that it has nothing
// in common with us. The client has been told by an alert.
type ProtocolError struct {
	// Description is the AlertDescription that was sent.
	Description uint8
	What        string
}

func (e *ProtocolError) Error() string {
	return fmt.Sprintf("%s (alert %s)", e.What, alert(e.Description))
}

// fault is a ProtocolError that is yet to be told.
func fault(a alert, format string, args ...any) error {
	return &ProtocolError{Description: uint8(a), What: fmt.Sprintf(format, args...)}
}

// tell sends the alert of a fault. Nothing more is sent after a fatal alert of
// either side (RFC 5246 section 7.2.2), and not even that after close_notify.
func (c *Conn) tell(err error) error {
	var ours *ProtocolError
	var theirs *AlertError
	if !errors.As(err, &ours) && !errors.As(err, &theirs) {
		return err
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	return c.tellHeld(err)
}

// tellHeld is tell for who holds writing.
func (c *Conn) tellHeld(err error) error {
	var ours *ProtocolError
	if errors.As(err, &ours) && c.writeDone == nil {
		_ = c.writeRecord(typeAlert, []byte{levelFatal, ours.Description})
	}
	c.writeDone = err
	if c.config.Sessions != nil { // it must not be resumed (RFC 5246 section 7.2.2)
		c.config.Sessions.forget(c.sessionID)
	}
	return err
}

// handleAlert returns how the connection ends, or nil after a warning.
func (c *Conn) handleAlert(data []byte) error {
	if len(data) != 2 {
		return fault(alertDecodeError, "an alert of %d bytes", len(data))
	}
	switch {
	case alert(data[1]) == alertCloseNotify:
		return io.EOF
	case data[0] == levelWarning:
		return c.countUseless()
	case data[0] == levelFatal:
		return &AlertError{data[1]}
	}
	return fault(alertIllegalParameter, "an alert of level %d", data[0])
}

func (c *Conn) warn(a alert) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.writeDone != nil {
		return nil
	}
	return c.writeRecord(typeAlert, []byte{levelWarning, byte(a)})
}
