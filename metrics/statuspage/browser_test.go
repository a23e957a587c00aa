package statuspage

import (
	"bytes"
	"context"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	cdp "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/tlslift/tlslift/proxy/testenv"
)

var screenshots = flag.String("screenshots", "", "write pictures of the pages into this `folder`")

// patience bounds a test in the browser.
const patience = 90 * time.Second

// A browser shows one site.
type browser struct {
	t   *testing.T
	ctx context.Context
	url string
}

// browse starts Chromium and serves it a site.
func browse(t *testing.T, k Inventory) *browser {
	t.Helper()
	return browseSite(t, newSite(t, options(t, k)))
}

func browseSite(t *testing.T, site http.Handler) *browser {
	t.Helper()
	testenv.Need(t, "chromium")
	server := httptest.NewServer(site)
	t.Cleanup(server.Close)
	profile, err := os.MkdirTemp("", "tlslift-chromium-")
	if err != nil {
		t.Fatal(err)
	}
	// A process of Chromium may still write there; then something is left.
	t.Cleanup(func() { _ = os.RemoveAll(profile) })
	flags := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath("chromium"), chromedp.UserDataDir(profile), chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
		chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WSURLReadTimeout(patience),
	}
	for _, name := range []string{
		"disable-quic", "disable-background-networking", "disable-component-update", "disable-sync", "disable-dev-shm-usage",
		"hide-scrollbars",
	} {
		flags = append(flags, chromedp.Flag(name, true))
	}
	ctx, stop := context.WithTimeout(t.Context(), patience)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewExecAllocator(ctx, flags...)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx, chromedp.WithListener(func(event any) {
		if dialog, ok := event.(*cdp.EventJavascriptDialogOpening); ok {
			t.Errorf("a dialog says %q", dialog.Message)
		}
	}))
	t.Cleanup(stop)
	b := &browser{t, ctx, server.URL}
	b.size(1280, 900)
	return b
}

func (b *browser) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

func (b *browser) open(path string) { b.t.Helper(); b.do(chromedp.Navigate(b.url + path)) }

func (b *browser) size(width, height int64) {
	b.t.Helper()
	b.do(chromedp.EmulateViewport(width, height))
}

func (b *browser) dark(on bool) {
	b.t.Helper()
	scheme := map[bool]string{true: "dark", false: "light"}[on]
	b.call(func(ctx context.Context) error {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	})
}

// call is do for what is no action.
func (b *browser) call(f func(context.Context) error) {
	b.t.Helper()
	if err := f(b.ctx); err != nil {
		b.t.Fatal(err)
	}
}

// run is do for an action with a result. The action runs again when the document
// was replaced between finding a node and reading it: on a busy machine that
// happens after a new page is ready.
func run[T any](b *browser, action chromedp.Action[T]) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, action)
	for range 10 {
		if err == nil || !strings.Contains(err.Error(), "No node with given id") {
			break
		}
		v, err = chromedp.Run(b.ctx, action)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return v
}

// eval returns the value of an expression.
func eval[T any](b *browser, expression string) T {
	b.t.Helper()
	return run(b, chromedp.Evaluate[T](expression))
}

// until waits for an expression to become true.
func (b *browser) until(expression string) {
	b.t.Helper()
	b.do(chromedp.Poll[chromedp.Void](expression, chromedp.WithPollingTimeout(patience/3)))
}

// clients returns the names in the table, from top to bottom. It reads what is
// there from outside, so that it works where scripts are off.
func (b *browser) clients() []string {
	b.t.Helper()
	var names []string
	html := b.html("body")
	for _, part := range strings.Split(html, `<td class="who"><a href="`)[1:] {
		_, name, _ := strings.Cut(part, "<bdi>")
		name, _, _ = strings.Cut(name, "</bdi>")
		names = append(names, name)
	}
	return names
}

func (b *browser) html(selector string) string {
	b.t.Helper()
	return run(b, chromedp.OuterHTML(chromedp.CSS(selector)))
}

func (b *browser) wantClients(want ...string) {
	b.t.Helper()
	if got := b.clients(); !reflect.DeepEqual(got, want) {
		b.t.Errorf("got %v, want %v", got, want)
	}
}

// print returns the page as it is printed on A4.
func (b *browser) print() []byte {
	b.t.Helper()
	var pdf []byte
	b.call(func(ctx context.Context) error {
		cssSize := true
		printed, err := chromedp.Call(ctx, cdp.PrintToPDF, cdp.PrintToPDFParams{PreferCSSPageSize: &cssSize})
		if err == nil {
			pdf = printed.Data
		}
		return err
	})
	return pdf
}

// pagesOf returns how many pages a PDF file of Chromium has.
func pagesOf(pdf []byte) int { return bytes.Count(pdf, []byte("/Type /Page\n")) }

func (b *browser) picture(name string) {
	b.t.Helper()
	if *screenshots == "" {
		return
	}
	png := run(b, chromedp.CaptureScreenshot())
	if err := os.WriteFile(filepath.Join(*screenshots, name+".png"), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}
