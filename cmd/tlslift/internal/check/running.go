package check

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/adminclient"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/metrics/statuspage"
	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/policy"
)

// running is what the tlslift that runs says of itself. Its zero value means that none
// answers.
type running struct {
	is          bool
	listeners   []string // URLs without options; those at which somebody has connected
	connections int      // how many it permits; zero if that is not known
	files       uint64   // how many it may open
}

// askRunning asks the tlslift that runs, if there is one.
func (c *checker) askRunning(ctx context.Context) Result {
	r := Result{Check: Running, Subject: string(c.cfg.AdminListen)}
	if c.cfg.AdminListen == "" {
		r.Status, r.Says = Skipped, "the admin address is off, so a tlslift that runs cannot be asked"
		return r
	}
	admin := c.Admin(c.cfg)
	answer, err := admin.Health(ctx)
	if errors.As(err, new(adminclient.UnreachableError)) {
		r.Status, r.Says = Skipped, "no tlslift answers there; what only one that runs knows is not checked"
		return r
	}
	// Others answer /readyz, too; tlslift may be too busy for more than that, or want a password.
	metrics, wrong := admin.Ask(ctx, adminclient.Question{Path: "/metrics"})
	switch {
	case errors.As(wrong, new(adminclient.ForeignError)) || wrong == nil && !own.Match(metrics):
		r.Status, r.Says = Failed, "another program answers there, and not tlslift"
		r.Remedy = fmt.Sprintf("see which with ss -ltnp, and stop it, or choose another address for %sADMIN_LISTEN", settings.Prefix)
		return r
	case err != nil:
		r.Status = Failed
		r.Says, r.Remedy = parted(err.Error(), "look into its log: journalctl -u tlslift")
	default:
		r.Status, r.Says = OK, "a tlslift runs here: "+clean(answer)
	}
	c.running.is = true
	c.addDestinations(ctx, admin)
	c.running.read(metrics)
	return r
}

// own matches a metric of tlslift.
var own = regexp.MustCompile(`(?m)^tlslift_`)

// addDestinations adds those that the clients of the tlslift that runs have come for.
func (c *checker) addDestinations(ctx context.Context, admin *adminclient.Client) {
	var known statuspage.Clients
	if admin.AskJSON(ctx, adminclient.Question{Path: "/api/v1/clients"}, &known) != nil {
		return // those of the settings are left
	}
	all := newTargets(c.cfg)
	all.list = c.targets
	for i := range known.Clients {
		for _, text := range known.Clients[i].Destinations {
			to, err := policy.ParseDestination(text)
			if err != nil {
				continue
			}
			if _, err = c.list.Policy().Check(to.Host, to.Port); err == nil && to.Port != plainPort {
				all.add(to, known.Clients[i].Legacy)
			}
		}
	}
	c.targets = all.list
}

// active matches the metric that has a series for each listener.
var active = regexp.MustCompile(`^tlslift_connections_active\{listener="([^"\\]+)"\} `)

// read takes what it needs of the metrics.
func (r *running) read(metrics []byte) {
	lines := bufio.NewScanner(bytes.NewReader(metrics))
	for lines.Scan() {
		line := lines.Text()
		if found := active.FindStringSubmatch(line); found != nil {
			r.listeners = append(r.listeners, found[1])
			continue
		}
		name, text, _ := strings.Cut(line, " ")
		value, err := strconv.ParseFloat(text, 64)
		switch {
		case err != nil || !(value >= 0 && value < 1<<30):
		case name == "tlslift_connections_limit":
			r.connections = int(value)
		case name == "process_max_fds":
			r.files = uint64(value)
		}
	}
}

// has reports whether the tlslift that runs says that it listens at a listener's port. It
// names only those at which somebody has connected.
func (r *running) has(u listener.URL) bool {
	_, port, err := net.SplitHostPort(u.Address)
	if err != nil {
		return false
	}
	for _, open := range r.listeners {
		if strings.HasPrefix(open, fmt.Sprintf("%s://", u.Scheme)) && strings.HasSuffix(open, ":"+port) {
			return true
		}
	}
	return false
}
