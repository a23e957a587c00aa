package e2e

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// wrongPassword is one that a device sends, and that is another one's in real life.
const wrongPassword = "Wro-8080-typed"

// keepsSecrets looks for every secret of the run wherever tlslift writes or shows
// something.
func (l *signInLift) keepsSecrets(t *testing.T) {
	t.Helper()
	places, secrets := l.places(t), l.secrets(t)
	for what, secret := range secrets {
		for _, form := range forms(secret) {
			for place, text := range places {
				if strings.Contains(text, form) {
					t.Errorf("%s is in %s, as %.12q…", what, place, form)
				}
			}
		}
	}
	if len(places) < 10 || len(secrets) < 14 {
		t.Errorf("looked for %d secrets in %d places only", len(secrets), len(places))
	}
}

// secrets are those of the run, by what they are.
func (l *signInLift) secrets(t *testing.T) map[string]string {
	t.Helper()
	made, err := hashes()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{
		"the application's secret": applicationSecret, "a password that is relayed": mailPassword, "a wrong password": wrongPassword,
		"the password of " + scannerAccount.login: scannerAccount.password,
	}
	for a, hash := range made {
		all["the password of "+a.login] = a.password
		all["the hash of "+a.login] = hash
		// The salt and the rest are in the last part.
		all["the end of the hash of "+a.login] = hash[strings.LastIndexByte(hash, '$')+1:]
	}
	for i, token := range l.tenant.tokens() {
		all[fmt.Sprintf("token %d", i)] = token
		// What is cut off may still be of use to somebody.
		rest := token[len(token)/2:]
		all[fmt.Sprintf("the middle of token %d", i)] = rest[:min(len(rest), 24)]
		all[fmt.Sprintf("the end of token %d", i)] = token[max(0, len(token)-24):]
	}
	return all
}

// forms are how a secret can be written.
func forms(secret string) []string {
	all := []string{secret, url.QueryEscape(secret), hex.EncodeToString([]byte(secret)), fmt.Sprintf("%X", secret)}
	for before, changed := range []int{0, 2, 3} { // bytes before it, and characters that they have a part in
		p := append(make([]byte, before), secret...)
		p = p[:len(p)/3*3]
		for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
			all = append(all, encoding.EncodeToString(p)[changed:])
		}
	}
	return all
}

// places are what tlslift writes and shows, by name.
func (l *signInLift) places(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{"the log": l.log()}
	for _, path := range []string{
		"/metrics", "/", "/clients/127.0.0.1", "/reasons", "/ca", "/api/v1/clients", "/api/v1/clients.csv",
		"/api/v1/clients/127.0.0.1", "/api/v1/connections", "/readyz",
	} {
		all[path] = l.get(t, path)
	}
	for _, command := range []string{"clients", "config"} {
		all["tlslift "+command] = l.ask(t, command)
	}
	state := filepath.Dir(filepath.Dir(l.caFile))
	for name, text := range files(t, state) {
		all["the state file "+name] = text
	}
	for _, name := range []string{"environ", "cmdline"} {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", l.cmd.Process.Pid, name))
		if err != nil {
			t.Fatal(err)
		}
		all["its "+name] = string(text)
	}
	return all
}

// files are all files below a folder.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		all[strings.TrimPrefix(path, dir)] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
