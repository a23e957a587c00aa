package settings

import (
	"errors"
	"strings"

	"github.com/tlslift/tlslift/proxy/clientfile"
	"github.com/tlslift/tlslift/proxy/secretfile"
)

// ClientTable reads the clients file; it returns nil if there is none. Its error
// has a line for each mistake.
func (c *Config) ClientTable() (*clientfile.Table, error) {
	table, wrong, err := c.clientTable()
	if err == nil {
		err = wrong.asError()
	}
	return table, err
}

// clientTable reads the clients file. The problems are its mistakes, one by one;
// the error says that it cannot be read at all.
func (c *Config) clientTable() (*clientfile.Table, problems, error) {
	if c.ClientsFile == "" {
		return nil, nil, nil
	}
	text, err := c.ClientsText()
	if err != nil {
		return nil, nil, err
	}
	table, err := clientfile.Parse(text)
	switch {
	case err == nil && table.HasHosts() && !bool(c.ReverseDNS):
		err = errors.New("host is the name in reverse DNS; set " + Prefix + "REVERSE_DNS=true, or give addresses")
		return nil, c.clientsFileProblems(err, ""), nil
	case err == nil:
		return table, nil, nil
	}
	return nil, c.clientsFileProblems(err, ""), nil
}

// clientsFileProblems returns the problem of each line of an error about the clients file,
// with the same remedy at its end.
func (c *Config) clientsFileProblems(err error, remedy string) problems {
	const name = Prefix + "CLIENTS_FILE"
	var wrong problems
	if err == nil {
		return wrong
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		wrong = append(wrong, problem{name, name + ": " + c.ClientsFile + ": " + line + remedy})
	}
	return wrong
}

// maxClientsFile is above what a clients file may have, so that one that is too long can be
// told from other mistakes.
const maxClientsFile = 16 * clientfile.MaxFile

// ClientsText returns what is written in the clients file; nothing if there is no such
// file.
func (c *Config) ClientsText() ([]byte, error) {
	if c.ClientsFile == "" {
		return nil, nil
	}
	text, err := secretfile.Read(c.ClientsFile, maxClientsFile)
	if err != nil {
		return nil, CannotRead("CLIENTS_FILE", c.ClientsFile, err)
	}
	return text, nil
}
