package egress

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/tlslift/tlslift/proxy/testenv"
	"github.com/tlslift/tlslift/proxy/upstream"
)

// A request that has ended leaves no connection behind, also to a web service that takes
// connections and then says nothing.
func TestClientLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	const host = "login.microsoftonline.com"
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	silent := testenv.Serve(t, func(conn net.Conn) {
		if _, err := conn.Read(make([]byte, 1)); err != nil {
			t.Error(err)
		}
		cancel()
		_, err := io.Copy(io.Discard, conn) // until the other side closes
		ended <- err
	})
	client, err := Client(upstream.Config{ConnectTo: map[string]string{host + ":443": silent.String()}})
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+host+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := client.Do(request); err == nil {
		_ = answer.Body.Close()
		t.Error("there was an answer")
	}
	<-ended
}
