package faults

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// inOtherPackages are the faults that other tests try: with the real program, or with a clock.
var inOtherPackages = []struct{ fault, test, folder string }{
	{"disk that is full", "TestClientsOnAFullDisk", "cmd/tlslift/e2e"},
	{"disk that is full, when a file is replaced", "TestReplaceOnAFullDisk", "proxy/atomicfile"},
	{"folder that is read-only, at the first start", "TestReadOnlyParent", "proxy/localca"},
	{"state that cannot be saved", "TestStateCannotBeSavedForLong", "proxy/m365"},
	{"state that cannot be saved", "TestFileThatCannotBeSaved", "cmd/tlslift/internal/statefile"},
	{"files of the CA are removed while it runs", "TestFilesThatChange", "proxy/localca"},
	{"no open file is left for a connection", "TestLackOfOpenFiles", "cmd/tlslift/e2e"},
	{"no open file is left for a dial", "TestLackOfFiles", "proxy/upstream"},
	{"packets to an address are dropped", "TestBlackHoledAddresses", "cmd/tlslift/e2e"},
	{"one side is gone without a word, with bytes on their way", "TestGoneWithoutAWord", "proxy/relay"},
	{"one side does not read, and is not gone", "TestNotReadingIsNotGone", "proxy/relay"},
	{"name server fails after it has answered", "TestLastAnswerServes", "proxy/upstream"},
	{"reader of the log is gone", "TestLogReaderGone", "cmd/tlslift"},
	{"reader of the log stalls", "TestLogReaderStalled", "cmd/tlslift"},
	{"reader of the log stalls, second signal", "TestLogReaderStalledSecondSignal", "cmd/tlslift"},
	{"reader of the log comes back", "TestLogReaderComesBack", "cmd/tlslift"},
	{"kill -9", "TestClientsAreKnownAfterAKill", "cmd/tlslift/e2e"},
	{"crash while a CA is made", "TestCrashLeftoversAreNoTrouble", "proxy/localca"},
	{"clock was wrong", "TestClockWasWrong", "proxy/m365"},
	{"clock of a client is wrong", "TestClientWithADeadClock", "proxy"},
	{"clock and Microsoft Entra differ", "TestClockSkew", "proxy/entra"},
	{"time goes on: leaves are renewed", "TestLeafIsRenewed", "proxy/localca"},
	{"time goes on: keys of tickets are rotated, also after a pause", "TestKeysAfterAPause", "proxy/ticketkeys"},
	{"time goes on: clients expire", "TestExpiry", "metrics/inventory"},
	{"name server that is dead, for names of clients", "TestDeadNameServer", "metrics/inventory"},
	{"name server that stalls, for redirected clients", "TestStalledNameServer", "proxy/m365"},
	{"destination that cannot be reached", "TestUnreachableUpstream", "cmd/tlslift/e2e"},
	{"destination that is silent", "TestSilentUpstream", "cmd/tlslift/e2e"},
	{"egress proxy that breaks", "TestEgressBroken", "proxy/upstream"},
	{"Microsoft Entra is down", "TestEntraDownForAnHour", "proxy/entra"},
	{"clients that trickle", "TestTricklingClients", "cmd/tlslift/e2e"},
	{"stop while connections are open", "TestShutdown", "proxy"},
}

// What is listed as tried in other packages is tried there.
func TestElsewhere(t *testing.T) {
	t.Parallel()
	for _, e := range inOtherPackages {
		if !hasTest(t, filepath.Join("../..", filepath.FromSlash(e.folder)), e.test) {
			t.Errorf("%s: there is no %s in %s", e.fault, e.test, e.folder)
		}
	}
}

// hasTest reports whether a folder has a test of that name.
func hasTest(t *testing.T, folder, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	must(t, err)
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		must(t, err)
		for _, d := range parsed.Decls {
			if f, is := d.(*ast.FuncDecl); is && f.Recv == nil && f.Name.Name == name && strings.HasPrefix(name, "Test") {
				return true
			}
		}
	}
	return false
}
