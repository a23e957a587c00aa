package sandbox

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"

	"github.com/tlslift/tlslift/proxy/atomicfile"
)

// A trial is what a process inside tries, since nothing leads outside again.
type trial struct {
	Limits   Limits
	Readable string // a file that may be read
	State    string // a directory that may be written to
	Foreign  string // a file elsewhere
	Allowed  string // an address that may be connected to
	Denied   string
}

const inside = "TLSLIFT_TEST_SANDBOX"

func TestMain(m *testing.M) {
	if text := os.Getenv(inside); text != "" {
		var t trial
		if err := json.Unmarshal([]byte(text), &t); err != nil {
			panic(err)
		}
		t.run()
		return
	}
	os.Exit(m.Run())
}

// run enters the sandbox, and prints what is possible in there.
func (t trial) run() {
	listening, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	enforced, err := Enter(t.Limits)
	say("enter", err)
	fmt.Println("enforced:", enforced)
	read := func(path string) error { _, err := os.ReadFile(path); return err }
	say("read configuration", read(t.Readable))
	say("read elsewhere", read(t.Foreign))
	say("write state", atomicfile.Replace(filepath.Join(t.State, "clients.json"), []byte("{}")))
	say("read state", read(filepath.Join(t.State, "clients.json")))
	say("change configuration", os.WriteFile(t.Readable, nil, 0o600))
	say("write elsewhere", os.WriteFile(t.Foreign, nil, 0o600))
	say("run a shell", exec.Command("/bin/sh", "-c", "exit 0").Run())
	itself := exec.Command("/proc/self/exe", "-test.run=^$")
	itself.Env = []string{"TMPDIR=" + t.State}
	say("run itself", itself.Run())
	say("connect where it may", connect(t.Allowed))
	say("connect elsewhere", connect(t.Denied))
	// A listener that was open before still accepts.
	fmt.Println("listening:", listening.Addr())
	conn, err := listening.Accept()
	say("accept", err)
	if err == nil {
		_ = conn.Close()
	}
}

func connect(address string) error {
	conn, err := net.Dial("tcp", address)
	if err == nil {
		err = conn.Close()
	}
	return err
}

func say(what string, err error) {
	switch {
	case err == nil:
		fmt.Println(what+":", "yes")
	case errors.Is(err, fs.ErrPermission):
		fmt.Println(what+":", "denied")
	default:
		fmt.Println(what+":", err)
	}
}

// TestEnter runs a process of its own, as the test must not be inside.
func TestEnter(t *testing.T) {
	t.Parallel()
	abi, err := ll.LandlockGetABIVersion()
	if err != nil || abi < 4 {
		t.Skipf("this kernel has no Landlock for files and ports (version %d): %v", abi, err)
	}
	configuration, state, foreign := t.TempDir(), t.TempDir(), t.TempDir()
	listen := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		return l
	}
	allowed, denied := listen(), listen()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	run := trial{
		Limits: Limits{
			Read:    []string{configuration, "/proc", "/etc"},
			Write:   []string{state, "/dev/null"},
			Execute: []string{filepath.Dir(program), "/lib", "/lib64", "/usr/lib"},
			Connect: []uint16{uint16(allowed.Addr().(*net.TCPAddr).Port)},
		},
		Readable: filepath.Join(configuration, "clients.yaml"), State: state, Foreign: filepath.Join(foreign, "secret"),
		Allowed: allowed.Addr().String(), Denied: denied.Addr().String(),
	}
	for _, file := range []string{run.Readable, run.Foreign} {
		if err := os.WriteFile(file, []byte("text"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := inChild(t, run)
	want := map[string]string{
		"enter": "yes", "enforced": "files and ports",
		"read configuration": "yes", "read elsewhere": "denied",
		"write state": "yes", "read state": "yes", "change configuration": "denied", "write elsewhere": "denied",
		"run a shell": "denied", "run itself": "yes",
		"connect where it may": "yes", "connect elsewhere": "denied", "accept": "yes",
	}
	for what, expected := range want {
		if got[what] != expected {
			t.Errorf("%s: %q, want %q", what, got[what], expected)
		}
	}
	if text, err := os.ReadFile(run.Foreign); err != nil || string(text) != "text" {
		t.Errorf("the file elsewhere has %q, %v", text, err)
	}
}

// inChild runs a trial, connects to where it listens, and returns its lines.
func inChild(t *testing.T, run trial) map[string]string {
	t.Helper()
	text, err := json.Marshal(run)
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), program)
	child.Env = append(os.Environ(), inside+"="+string(text))
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		what, said, _ := strings.Cut(lines.Text(), ": ")
		got[what] = said
		if what == "listening" {
			if err := connect(said); err != nil {
				t.Error(err)
			}
		}
	}
	if err := child.Wait(); err != nil {
		t.Fatal(err)
	}
	return got
}
