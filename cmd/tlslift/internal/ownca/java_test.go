package ownca

import (
	"crypto/tls"
	"io"
	"net"
	"os/exec"
	"testing"

	"github.com/tlslift/tlslift/proxy/localca"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// javaTrusts connects with each trust store, given by file, password, kind and port, and checks
// certificate and name as HTTPS does.
const javaTrusts = `
import java.io.FileInputStream;
import java.security.KeyStore;
import javax.net.ssl.*;
public class Trusts {
  public static void main(String[] a) throws Exception {
    for (int i = 0; i < a.length; i += 4) {
      KeyStore store = KeyStore.getInstance(a[i + 2]);
      store.load(new FileInputStream(a[i]), a[i + 1].toCharArray());
      TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
      trust.init(store);
      SSLContext context = SSLContext.getInstance("TLS");
      context.init(null, trust.getTrustManagers(), null);
      SSLSocket s = (SSLSocket) context.getSocketFactory().createSocket(
          new java.net.Socket("127.0.0.1", Integer.parseInt(a[i + 3])), "smtp.office365.com", 443, true);
      SSLParameters p = s.getSSLParameters();
      p.setEndpointIdentificationAlgorithm("HTTPS");
      s.setSSLParameters(p);
      try {
        System.out.write(s.getInputStream().readAllBytes());
      } catch (SSLHandshakeException e) {
        System.out.println("refused");
      }
      s.close();
    }
    System.out.flush();
  }
}
`

// leafServer says hello to each client, with a leaf of the CA of h, and returns its port.
func leafServer(t *testing.T, h *Home) string {
	t.Helper()
	ca, err := localca.Open(h.options)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := ca.Leaf("smtp.office365.com", nil, localca.Profile{})
	if err != nil {
		t.Fatal(err)
	}
	address := testenv.Serve(t, func(conn net.Conn) {
		secure := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{*leaf}})
		_, _ = io.WriteString(secure, "hello\n")
		_ = secure.Close()
	})
	_, port, _ := net.SplitHostPort(address.String())
	return port
}

// Java trusts tlslift by each of the exported trust stores, and by the company's root alone if
// the CA is an imported one. By another root it does not.
func TestJavaTrustsByExportedStores(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "java")
	h, imports := newHome(t), emptyHome(t)
	chain, _, key := company(t)
	if _, err := imported(imports, "", chain, key); err != nil {
		t.Fatal(err)
	}
	root, err := trustStoreJKS(current(t, imports).Path()[1:], "changeit")
	if err != nil {
		t.Fatal(err)
	}
	word := testenv.WriteFile(t, "password", []byte("open sesame\n"))
	port := leafServer(t, h)
	args := []string{
		"-XX:TieredStopAtLevel=1", testenv.WriteFile(t, "Trusts.java", []byte(javaTrusts)),
		exported(t, h, Export{Format: "jks"}), "changeit", "JKS", port,
		exported(t, h, Export{Format: "pkcs12"}), "changeit", "PKCS12", port,
		exported(t, h, Export{Format: "pkcs12", Legacy: true, PasswordFile: word}), "open sesame", "PKCS12", port,
		testenv.WriteFile(t, "root.jks", root), "changeit", "JKS", leafServer(t, imports),
		testenv.WriteFile(t, "root.jks", root), "changeit", "JKS", port,
	}
	out, err := exec.CommandContext(t.Context(), "java", args...).CombinedOutput()
	if err != nil || string(out) != "hello\nhello\nhello\nhello\nrefused\n" {
		t.Errorf("%v, %s", err, out)
	}
}
