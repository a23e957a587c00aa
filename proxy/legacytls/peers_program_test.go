package legacytls

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// A peerProgram is a client that we wrote with the library of a peer. It reads
// tours from standard input; see testdata.
type peerProgram struct {
	command []string
	suite   func(s *suite) string // its name there
	says    func(s *served, visit int) string
}

// run runs the program once for all tours.
func (p peerProgram) run(t *testing.T, all []tour) {
	t.Helper()
	dir := t.TempDir()
	var plan []byte
	var begun []*served
	for _, tr := range all {
		s := tr.serve(t)
		begun = append(begun, s)
		plan = append(plan, p.plan(t, s, dir)...)
	}
	out, err := p.start(t, plan, rootFile(t))
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
	for _, s := range begun {
		t.Run(s.String(), func(t *testing.T) { p.check(t, s, out, filepath.Join(dir, s.server.port)) })
	}
}

// plan is what the program is told of a tour. The answers come to a file in
// dir with the name of the port.
func (p peerProgram) plan(t *testing.T, s *served, dir string) string {
	t.Helper()
	return fmt.Sprintf("%s %s %s %s %d %s %s\n", s.server.port, s.number(), p.suite(suiteByID(s.suite)),
		s.how, s.visits, testenv.WriteFile(t, "request", s.request), filepath.Join(dir, s.server.port))
}

func (p peerProgram) start(t *testing.T, plan []byte, root string) (string, error) {
	t.Helper()
	command := append(slices.Clone(p.command), root, serverName)
	return runPeer(t, plan, command[0], command[1:]...)
}

// verifies checks that the program does verify what the tests present: with
// another root it sends no request.
func (p peerProgram) verifies(t *testing.T) {
	t.Helper()
	s := (tour{version: tls.VersionTLS10, suite: tls.TLS_RSA_WITH_AES_128_CBC_SHA, how: byID, visits: 1}).serve(t)
	out, err := p.start(t, []byte(p.plan(t, s, t.TempDir())), unrelatedRoot(t))
	if strings.Contains(out, p.says(s, 0)) {
		t.Errorf("with another root, the client goes on: %v, %s", err, out)
	}
	if v := s.server.next(t); v.body != nil {
		t.Errorf("with another root, the client sent its request: %+v", v.state)
	}
}

// check checks both sides of one tour.
func (p peerProgram) check(t *testing.T, s *served, out, answer string) {
	t.Helper()
	var said, want []string
	for line := range strings.Lines(out) {
		if line, ours := strings.CutPrefix(strings.TrimSpace(line), s.server.port+" "); ours {
			said = append(said, line)
		}
	}
	for i := range s.visits {
		want = append(want, p.says(s, i))
	}
	if !slices.Equal(said, want) {
		t.Fatalf("the client says %q, want %q", said, want)
	}
	if got := readFile(t, answer); !bytes.Equal(got, bytes.Repeat(s.answer(), s.visits)) {
		t.Errorf("the client got %d bytes in %d visits, want %d in each", len(got), s.visits, len(s.answer()))
	}
	s.check(t, s.visits)
}

// reused is the word of most programs for whether a visit resumed a session.
func (s *served) reused(visit int) string {
	if visit > 0 {
		return "reused"
	}
	return "new"
}
