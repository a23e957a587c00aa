package settings

import (
	"io"
	"os"
	"strings"

	"github.com/tlslift/tlslift/proxy/clientfile"
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
	text, err := readClientsFile(c.ClientsFile)
	if err != nil {
		return nil, nil, CannotRead("CLIENTS_FILE", c.ClientsFile, err)
	}
	table, err := clientfile.Parse(text)
	if err == nil {
		return table, nil, nil
	}
	const name = Prefix + "CLIENTS_FILE"
	var wrong problems
	for line := range strings.SplitSeq(err.Error(), "\n") {
		wrong = append(wrong, problem{name, name + ": " + c.ClientsFile + ": " + line})
	}
	return nil, wrong, nil
}

func readClientsFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // only read from
	return io.ReadAll(io.LimitReader(f, clientfile.MaxFile+1))
}
