package mailbox

import (
	"bytes"
	"errors"
)

// plainLogin is AUTHENTICATE PLAIN (RFC 4616): one answer, which may come with
// the command.
type plainLogin struct {
	open func(address, password string) error
}

func (p plainLogin) Next(response []byte) ([]byte, bool, error) {
	if response == nil {
		return []byte{}, false, nil
	}
	parts := bytes.Split(response, []byte{0})
	if len(parts) != 3 {
		return nil, true, errors.New("reading an answer to PLAIN: it has not three parts")
	}
	return nil, true, p.open(string(parts[1]), string(parts[2]))
}
