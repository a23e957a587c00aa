package settings

import (
	"strings"

	"github.com/tlslift/tlslift/proxy/clientfile"
	"github.com/tlslift/tlslift/proxy/signin"
)

// SignIn reads the sign-in file; it returns nil if there is none. The clients that it
// names are those of a table. Its error has a line for each mistake.
func (c *Config) SignIn(clients *clientfile.Table) (*signin.Config, error) {
	if c.SignInFile == "" {
		return nil, nil
	}
	file, err := signin.Load(c.SignInFile)
	if err == nil {
		err = file.CheckClients(clients.Names())
	}
	if err != nil {
		return nil, signInProblems(err).asError()
	}
	return file, nil
}

func signInProblems(err error) (wrong problems) {
	const name = Prefix + "SIGNIN_FILE"
	for line := range strings.SplitSeq(err.Error(), "\n") {
		wrong = append(wrong, problem{name, name + ": " + line})
	}
	return wrong
}
