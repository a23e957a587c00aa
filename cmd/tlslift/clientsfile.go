package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/tlslift/tlslift/proxy/clientfile"
)

// clientTable reads the clients file; nil if there is none. The problems are
// its mistakes, one by one; the error says that it cannot be read at all.
func (c *Config) clientTable() (*clientfile.Table, problems, error) {
	if c.ClientsFile == "" {
		return nil, nil, nil
	}
	text, err := readClientsFile(c.ClientsFile)
	if err != nil {
		return nil, nil, fmt.Errorf("%sCLIENTS_FILE: cannot read %s: %w; correct the path, or let tlslift's user read the file", prefix, c.ClientsFile, systemError(err))
	}
	table, err := clientfile.Parse(text)
	if err == nil {
		return table, nil, nil
	}
	const name = prefix + "CLIENTS_FILE"
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

// reload reads the clients file again. With a mistake in it, what it said
// before stays in force.
func (s *service) reload() {
	table, wrong, err := s.cfg.clientTable()
	if err == nil {
		err = wrong.asError()
	}
	if err != nil {
		s.log.Error("reading the clients file again; what it said before stays in force", "error", err.Error())
		return
	}
	s.proxy.SetClients(table)
	s.log.Info("read the clients file again", "clients", table.Len())
}
