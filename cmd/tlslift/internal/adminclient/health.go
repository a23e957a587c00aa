package adminclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/proxy/netname"
)

const healthTimeout = 5 * time.Second

// Health returns what /readyz answers. Its error says that tlslift is not ready,
// or cannot be reached.
func (c *Client) Health(ctx context.Context) (string, error) {
	if c.Address == "" {
		return "", errors.New(settings.Prefix + "ADMIN_LISTEN is empty, so there is no address to ask; set it, or do without the health check")
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	response, where, err := c.send(ctx, http.MethodGet, "/readyz")
	if err != nil {
		return "", err
	}
	defer response.Body.Close() // only read from
	text, err := io.ReadAll(io.LimitReader(response.Body, maxErrorText))
	if err != nil {
		return "", fmt.Errorf("asking %s: %w", where, err)
	}
	switch {
	case response.StatusCode == http.StatusUnauthorized && c.Account.User != "":
		return "", c.notSignedIn(where)
	case response.StatusCode == http.StatusUnauthorized:
		return "running; it asks for a password, so this cannot check whether it is ready", nil
	}
	answer := netname.Text(strings.Join(strings.Fields(string(text)), " "), maxErrorText)
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("not ready: %s", answer)
	}
	return answer, nil
}
