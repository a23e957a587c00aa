package clienthello

import (
	"errors"
	"slices"
)

// CheckAnother looks at the body of a ClientHello that follows h in the same connection,
// as after a HelloRetryRequest. It has to have the server name and the protocols of h (RFC
// 8446 section 4.1.2): by them it was decided that the client may pass, and at an edge that
// many share another name leads to somebody else.
func (h *Hello) CheckAnother(body []byte) error {
	another, err := parse(body, len(body), h.RecordVersion)
	if err != nil {
		return err
	}
	isSame := another.ServerName == h.ServerName && slices.Equal(another.ALPN, h.ALPN) &&
		another.HasExtension(extServerName) == h.HasExtension(extServerName)
	if !isSame {
		return errors.New("another ClientHello has another server name or other protocols")
	}
	return nil
}
