package e2e

import (
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"testing"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// What a failover of two machines with keepalived costs, by the configuration that an operator
// copies: how many connections fail, and for how long. The address moves when tlslift stops,
// when keepalived stops, and when a machine says nothing any more.
func TestFailover(t *testing.T) {
	if os.Getenv("TLSLIFT_TEST_FAILOVER") == "" {
		t.Skip("TLSLIFT_TEST_FAILOVER is not set: it takes half a minute")
	}
	testenv.NeedRoot(t, "make network namespaces")
	testenv.Need(t, "keepalived", "openssl", "curl", "unshare", "ip", "bridge")
	bin, err := program()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc",
		"testdata/failover.sh", bin, "../../../deploy/keepalived/keepalived.conf")
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatal(err)
	}
	events := regexp.MustCompile(`(?m)^(\w+): failed (\d+), good (\d+), for (\d+) ms`).FindAllStringSubmatch(string(out), -1)
	if len(events) != 5 {
		t.Fatalf("%d events, want 5", len(events))
	}
	for _, e := range events {
		failed, _ := strconv.Atoi(e[2])
		lasted, _ := strconv.Atoi(e[4])
		if e[1] != "service_stops" && e[1] != "machine_dies" && failed > 0 || lasted > 10000 {
			t.Errorf("%s", e[0])
		}
	}
}
